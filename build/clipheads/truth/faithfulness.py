"""Whether descriptions and heads carry what the model knows.

Contributions are replaced, and zero-shot accuracy tells what was lost by it:
- each head by its projection on the span of its first k descriptions;
- head after head by its mean, from the least to the most important.

Everything but the studied heads is held at its mean, so that nothing else can answer in their
stead (Gandelsman et al., 2024, sections 3.3 and 4.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize


@dataclass(frozen=True)
class Question:
    """A zero-shot question: which text is closest to the image."""

    texts: Tensor
    """[values, D], unit rows."""
    right: Tensor
    """[N, values] of bool: what is true of each image; a row without any is not asked."""


def accuracy(embeddings: Tensor, question: Question) -> float:
    """Share of the asked images whose closest text is true of them.

    Args:
        embeddings: [N, D], of any length.
        question: about the same images.
    """
    asked = question.right.any(dim=1)
    best = (embeddings[asked] @ question.texts.T).argmax(dim=1)
    return float(question.right[asked].gather(1, best[:, None]).double().mean())


def span_basis(descriptions: Tensor, order: Sequence[int], k: int) -> Tensor:
    """Orthonormal basis of the span of a head's first k descriptions in its coordinates.

    Args:
        descriptions: [n, r], Bᵀt of the pool's texts.
        order: the head's picks, as rows of `descriptions`.
        k: how many of them.

    Returns:
        [r, k']; k' ≤ k where fewer are independent.
    """
    chosen = descriptions[list(order[:k])].double()
    _, lengths, directions = torch.linalg.svd(chosen, full_matrices=False)
    independent = lengths > 1e-9 * lengths.max().clamp(min=1e-30)
    span: Tensor = directions[independent].T.float()
    return span


def accuracy_by_descriptions(
    coordinates: Tensor,
    basis: Tensor,
    rest: Tensor,
    spans: Sequence[Tensor],
    questions: Sequence[Question],
) -> list[float]:
    """Accuracy with every head replaced by its mean and the span's part of its deviation from it.

    Args:
        coordinates: [N, heads, r].
        basis: [heads, D, r].
        rest: [D], the mean of everything else.
        spans: for each head an orthonormal [r, k] of `span_basis`.
        questions: about the images.

    Returns:
        For each question its accuracy.
    """
    means = coordinates.mean(dim=0)
    deviations = coordinates - means
    total = rest + torch.einsum("hr,hdr->d", means, basis)
    embeddings = total.expand(len(coordinates), -1).clone()
    for head, span in enumerate(spans):
        kept = (deviations[:, head] @ span) @ span.T
        embeddings += kept @ basis[head].T
    return [accuracy(embeddings, question) for question in questions]


def importance(
    coordinates: Tensor, basis: Tensor, rest: Tensor, questions: Sequence[Question]
) -> Tensor:
    """How much each head matters: what mean-ablating it alone costs the right answers.

    Accuracy hardly moves when one of many heads goes; the mean probability of the right answers
    does. Averaged over the questions.

    Args:
        coordinates: [N, heads, r].
        basis: [heads, D, r].
        rest: [D], the mean of everything else.
        questions: about the images.

    Returns:
        [heads], higher is more important.
    """
    deviations = coordinates - coordinates.mean(dim=0)
    whole = _embeddings(coordinates, basis, rest)
    known = sum(_mean_right(whole, question) for question in questions)
    lost = []
    for head in range(coordinates.shape[1]):
        without = whole - deviations[:, head] @ basis[head].T
        lost.append(known - sum(_mean_right(without, question) for question in questions))
    return torch.tensor(lost) / len(questions)


def accuracy_by_ablation(
    coordinates: Tensor,
    basis: Tensor,
    rest: Tensor,
    order: Sequence[int],
    questions: Sequence[Question],
) -> list[list[float]]:
    """Accuracy after mean-ablating the first 0, 1, 2, … of the heads in an order.

    Returns:
        For each question heads + 1 accuracies; the last is that of an embedding which is the same
        for all images.
    """
    deviations = coordinates - coordinates.mean(dim=0)
    embeddings = _embeddings(coordinates, basis, rest)
    accuracies = [[accuracy(embeddings, question)] for question in questions]
    for head in order:
        embeddings = embeddings - deviations[:, head] @ basis[head].T
        for curve, question in zip(accuracies, questions, strict=True):
            curve.append(accuracy(embeddings, question))
    return accuracies


def commonest_answer(question: Question) -> float:
    """Accuracy of always giving the answer that is most often right: what needs no picture."""
    asked = question.right[question.right.any(dim=1)]
    return float(asked.double().mean(dim=0).max())


def _embeddings(coordinates: Tensor, basis: Tensor, rest: Tensor) -> Tensor:
    """The heads' contributions and the mean of the rest, [N, D]."""
    return rest + torch.einsum("nhr,hdr->nd", coordinates, basis)


TEMPERATURE = 0.02
"""Of the probabilities by which `importance` is judged; CLIP's own is learnt near 0.01."""


def _mean_right(embeddings: Tensor, question: Question) -> float:
    """Mean probability that the right answers get."""
    asked = question.right.any(dim=1)
    cosines = normalize(embeddings[asked], dim=1) @ question.texts.T
    chances = (cosines / TEMPERATURE).softmax(dim=1)
    return float((chances * question.right[asked]).sum(dim=1).mean())
