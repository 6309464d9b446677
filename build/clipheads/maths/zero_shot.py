"""Zero-shot answers: of each group of texts, the one that an image is most similar to."""

from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK = 1024
"""Images whose similarities to all texts are in memory at once."""


def zero_shot_answers(
    images: Tensor, texts: Tensor, groups: Sequence[Sequence[int]], count: int
) -> tuple[Tensor, Tensor]:
    """Answer a question for each group of texts, and keep the answers of highest similarity.

    Args:
        images: [images, D] unit embeddings.
        texts: [texts, D] unit embeddings.
        groups: for each question the rows of its texts; none is empty.
        count: of answers to keep.

    Returns:
        [images, min(count, groups)] rows of texts, the most similar first, at most one of each
        group; and their cosines. Of equal texts of a group the first answers, and of equal
        answers that of the first group comes first.
    """
    rows = [torch.tensor(group) for group in groups]
    kept = min(count, len(groups))
    found, cosines = [], []
    for block in torch.split(images, BLOCK):
        similarity = block @ texts.T
        best = [similarity[:, own].max(dim=1) for own in rows]
        values = torch.stack([answer.values for answer in best], dim=1)
        answers = torch.stack(
            [own[answer.indices] for own, answer in zip(rows, best, strict=True)], dim=1
        )
        order = values.argsort(dim=1, descending=True, stable=True)[:, :kept]
        found.append(answers.gather(1, order))
        cosines.append(values.gather(1, order))
    return torch.cat(found), torch.cat(cosines)
