"""Whether descriptions and heads carry what the model knows: zero-shot accuracy under ablation.

What heads write is replaced, and the loss of zero-shot accuracy is measured:
- each head by its projection on the span of its first k descriptions;
- head after head by its mean (mean ablation), from the least to the most important.

Everything but the studied heads is mean-ablated throughout, so that nothing else can answer
instead of them (Gandelsman et al., 2024, sections 3.3 and 4.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

TEMPERATURE = 0.02
"""Of the softmax by which `importance` is judged; CLIP's own is learnt near 0.01."""


@dataclass(frozen=True)
class ZeroShotQuestion:
    """A zero-shot question: which text is closest to the image."""

    texts: Tensor
    """[values, D], unit rows."""
    right: Tensor
    """[N, values] of bool: which texts are true of each image; the question does not apply to an
    image of which none is."""

    @property
    def applies(self) -> Tensor:
        """[N] of bool: whether any text is true of the image."""
        return self.right.any(dim=1)


@dataclass(frozen=True, eq=False)
class HeadOutputs:
    """What some heads write for N images, with all other terms mean-ablated."""

    coordinates: Tensor
    """[N, heads, r]"""
    basis: Tensor
    """[heads, D, r]"""
    rest: Tensor
    """[D], the mean of all other terms."""

    def embeddings(self) -> Tensor:
        """The heads' contributions and the mean of the rest, [N, D]."""
        return self.rest + torch.einsum("nhr,hdr->nd", self.coordinates, self.basis)


def accuracy(embeddings: Tensor, question: ZeroShotQuestion) -> float:
    """Zero-shot accuracy: share of the images whose closest text is true of them.

    Args:
        embeddings: [N, D], of any length.
        question: about the same images; those to which it does not apply are left out.
    """
    applies = question.applies
    best = (embeddings[applies] @ question.texts.T).argmax(dim=1)
    return float(question.right[applies].gather(1, best[:, None]).double().mean())


def majority_baseline(question: ZeroShotQuestion) -> float:
    """Accuracy of always giving the most frequent answer, which needs no picture."""
    right = question.right[question.applies]
    return float(right.double().mean(dim=0).max())


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
    heads: HeadOutputs, spans: Sequence[Tensor], questions: Sequence[ZeroShotQuestion]
) -> list[float]:
    """Accuracy with each head's deviation from its mean projected on a span.

    Args:
        heads: what they write.
        spans: for each head an orthonormal [r, k] of `span_basis`.
        questions: about the images.

    Returns:
        The accuracy on each question.
    """
    means = heads.coordinates.mean(dim=0)
    deviations = heads.coordinates - means
    total = heads.rest + torch.einsum("hr,hdr->d", means, heads.basis)
    embeddings = total.expand(len(deviations), -1).clone()
    for head, span in enumerate(spans):
        kept = (deviations[:, head] @ span) @ span.T
        embeddings += kept @ heads.basis[head].T
    return [accuracy(embeddings, question) for question in questions]


def importance(heads: HeadOutputs, questions: Sequence[ZeroShotQuestion]) -> Tensor:
    """Importance of each head: the loss in probability of the right answers by its mean ablation.

    Accuracy hardly changes when one of many heads is ablated; the mean probability of the right
    answers does. Averaged over the questions.

    Args:
        heads: what they write.
        questions: about the images.

    Returns:
        [heads], higher is more important.
    """
    deviations = heads.coordinates - heads.coordinates.mean(dim=0)
    whole = heads.embeddings()
    intact = sum(_mean_probability(whole, question) for question in questions)
    lost = []
    for head in range(deviations.shape[1]):
        ablated = whole - deviations[:, head] @ heads.basis[head].T
        lost.append(intact - sum(_mean_probability(ablated, question) for question in questions))
    return torch.tensor(lost) / len(questions)


def accuracy_by_ablation(
    heads: HeadOutputs, order: Sequence[int], questions: Sequence[ZeroShotQuestion]
) -> list[list[float]]:
    """Accuracy after mean ablation of the first 0, 1, 2, … of the heads in an order.

    Returns:
        For each question len(order) + 1 accuracies. With all heads ablated the embedding is the
        same for all images.
    """
    deviations = heads.coordinates - heads.coordinates.mean(dim=0)
    embeddings = heads.embeddings()
    accuracies = [[accuracy(embeddings, question)] for question in questions]
    for head in order:
        embeddings = embeddings - deviations[:, head] @ heads.basis[head].T
        for curve, question in zip(accuracies, questions, strict=True):
            curve.append(accuracy(embeddings, question))
    return accuracies


def _mean_probability(embeddings: Tensor, question: ZeroShotQuestion) -> float:
    """Mean softmax probability of the right answers."""
    applies = question.applies
    cosines = normalize(embeddings[applies], dim=1) @ question.texts.T
    probabilities = (cosines / TEMPERATURE).softmax(dim=1)
    return float((probabilities * question.right[applies]).sum(dim=1).mean())
