"""Zero-shot answers: of the texts of each question, the one that an image is most similar to."""

from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK = 1024
"""Images whose similarities to all texts are in memory at once."""


def answer_texts(
    embeddings: Tensor, texts: Tensor, questions: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Answer each question about each image.

    Args:
        embeddings: unit embeddings of images, [..., D].
        texts: unit embeddings, [texts, D].
        questions: the rows of the texts of each of the Q questions; none is empty.

    Returns:
        The row of each answer and its cosine, [..., Q] both; of equal texts the first answers.
    """
    rows, cosines = [], []
    for question in questions:
        own = torch.tensor(question)
        best = (embeddings @ texts[own].T).max(dim=-1)
        rows.append(own[best.indices])
        cosines.append(best.values)
    return torch.stack(rows, dim=-1), torch.stack(cosines, dim=-1)


def clearest_answers(
    images: Tensor, texts: Tensor, questions: Sequence[Sequence[int]], count: int
) -> tuple[Tensor, Tensor]:
    """Answer all questions about each image, and keep the answers of highest similarity.

    Args:
        images: [images, D] unit embeddings.
        texts: [texts, D] unit embeddings.
        questions: the rows of the texts of each question; none is empty.
        count: of answers to keep.

    Returns:
        Rows of texts and their cosines, [images, min(count, questions)] both, the most similar
        first; of equal answers that of the first question comes first.
    """
    kept = min(count, len(questions))
    found, cosines = [], []
    for block in torch.split(images, BLOCK):
        answers, values = answer_texts(block, texts, questions)
        order = values.argsort(dim=1, descending=True, stable=True)[:, :kept]
        found.append(answers.gather(1, order))
        cosines.append(values.gather(1, order))
    return torch.cat(found), torch.cat(cosines)
