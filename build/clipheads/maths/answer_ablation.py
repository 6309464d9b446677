"""What a head matters for zero-shot answers: how many change when its contribution is its mean.

A question is a set of texts, and its answer for an image the text with the largest cosine with the
embedding e. Mean ablation of a head's contribution c gives e − (c − c̄), with c̄ the mean over the
gallery. Since e is a sum over heads, that is exactly the embedding with this one term replaced, and
all others as they were; with c = By the cosines need y − ȳ and Bᵀt alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TEXTS_AT_ONCE = 2**22
"""Images × texts whose inner products are held at once: 16 MiB."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What mean ablation of each head does to the answers to Q questions about N images."""

    changed: Tensor
    """Whether the answer is another one, [N, heads, Q] of bool."""
    margin: Tensor
    """Mean over images of the margin of the whole embedding, [Q]: the cosine of the answer minus
    the largest cosine of another text."""
    lost: Tensor
    """Mean over images by how much the margin of that same answer falls, [heads, Q]."""


def ablated_answers(
    embeddings: Tensor,
    deviations: Tensor,
    basis: Tensor,
    texts: Tensor,
    questions: Sequence[Sequence[int]],
) -> Answers:
    """Answer questions with the whole embedding, and with each head's contribution as its mean.

    Args:
        embeddings: unit embeddings of the images, [N, D].
        deviations: y − ȳ of the heads, [N, heads, r].
        basis: B of the heads, [heads, D, r].
        texts: unit rows, [M, D].
        questions: the rows of at least two texts each.

    >>> e, t = torch.tensor([[0.8, 0.6]]), torch.eye(2)
    >>> y, b = torch.tensor([[[0.5], [0.1]]]), torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])
    >>> ablated_answers(e, y, b, t, [[0, 1]]).changed
    tensor([[[ True],
             [False]]])
    """
    ordered = texts[[row for question in questions for row in question]]
    ends = torch.tensor([len(question) for question in questions]).cumsum(0).tolist()
    spans = list(zip([0, *ends[:-1]], ends, strict=True))
    changed, margins = [], torch.zeros(1 + len(basis), len(questions), dtype=torch.float64)
    size = max(1, TEXTS_AT_ONCE // max(1, len(ordered)))
    along = basis.transpose(1, 2) @ ordered.T  # Bᵀt, [heads, r, texts]
    for start in range(0, len(embeddings), size):
        e, y = embeddings[start : start + size], deviations[start : start + size]
        products = e @ ordered.T
        answers = torch.stack([products[:, a:b].argmax(dim=1) + a for a, b in spans], dim=1)
        barred = torch.zeros_like(products).scatter_(1, answers, -torch.inf)

        def margin(products: Tensor, answers: Tensor = answers, barred: Tensor = barred) -> Tensor:
            others = products + barred
            best = torch.stack([others[:, a:b].amax(dim=1) for a, b in spans], dim=1)
            return products.gather(1, answers) - best

        margins[0] += margin(products).double().sum(dim=0)
        rows = []
        for head, (base, directions) in enumerate(zip(basis, along, strict=True)):
            left = margin(products - y[:, head] @ directions)
            rows.append(left < 0)
            length = (e - y[:, head] @ base.T).norm(dim=1, keepdim=True)
            margins[1 + head] += (left / length).double().sum(dim=0)
        changed.append(torch.stack(rows, dim=1))
    means = margins / len(embeddings)
    return Answers(torch.cat(changed), means[0], means[0] - means[1:])
