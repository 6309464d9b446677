"""COMP: describe a direction as a sparse, coherent, non-negative sum of texts.

Coherent Orthogonal Matching Pursuit (Gentile et al., 2026). Texts d are chosen one by one: the one
of largest ⟨r, d⟩ + λ mean ⟨d', d⟩, where r is what the sum so far leaves of the direction and d'
are the texts already chosen, so that a text that fits them is preferred to one that is slightly
nearer. After each choice all weights are fitted anew, by non-negative least squares. Here only
texts with ⟨r, d⟩ > 0 are eligible: these and no others get a positive weight, so each choice brings
the sum nearer to the direction.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

SPARSITY = 5
"""Texts of a direction at most, as in the paper."""
COHERENCE = 0.3
"""λ, as in the paper's code."""
AWAY = 1e-6
"""What ⟨r, d⟩ must exceed: below it a text is a copy of those that are chosen."""


class SparseSums(NamedTuple):
    """Sums of texts, one for each direction."""

    indices: Tensor
    """Texts in the order of their choice, [directions, SPARSITY]; -1 where there is none."""
    weights: Tensor
    """Their weights, [directions, SPARSITY], none negative."""
    fidelity: Tensor
    """Cosine of each sum with its direction, [directions]; 0 for an empty sum."""


def centred_texts(texts: Tensor) -> Tensor:
    """Subtract the mean of unit text embeddings [n, D] and give them unit length again.

    CLIP's texts all lie in one narrow cone, away from its images. Their mean says what all of them
    share, which no difference between images can be.
    """
    return normalize(texts - texts.mean(0), dim=-1)


def describe(directions: Tensor, texts: Tensor) -> SparseSums:
    """Describe unit directions [n, D] by texts, the unit rows [m, D] of `centred_texts`.

    >>> directions = torch.tensor([[0.6, 0.8, 0.0]])
    >>> texts = torch.eye(3)
    >>> sums = describe(directions, texts)
    >>> sums.indices[0, :3].tolist(), [round(float(w), 1) for w in sums.weights[0, :3]]
    ([1, 0, -1], [0.8, 0.6, 0.0])
    """
    count, size = len(directions), min(SPARSITY, len(texts))
    rows = torch.arange(count)
    indices = torch.full((count, SPARSITY), -1)
    weights = directions.new_zeros(count, SPARSITY)
    chosen = directions.new_zeros(count, SPARSITY, directions.shape[1])
    residual, taken = directions, torch.zeros(count, len(texts), dtype=torch.bool)
    for step in range(size):
        correlation = residual @ texts.T
        score = correlation
        if step:
            score = correlation + COHERENCE / step * (chosen.sum(1) @ texts.T)
        eligible = (correlation > AWAY) & ~taken
        best = torch.where(eligible, score, -torch.inf).argmax(1)
        found = eligible[rows, best]
        indices[found, step] = best[found]
        chosen[found, step] = texts[best[found]]
        taken[rows[found], best[found]] = True
        weights = _non_negative_weights(chosen, directions)
        residual = directions - torch.einsum("nk,nkd->nd", weights, chosen)
    sums = directions - residual
    fidelity = torch.einsum("nd,nd->n", normalize(sums, dim=-1), directions)
    return SparseSums(torch.where(weights > 0, indices, -1), weights, fidelity)


def _non_negative_weights(chosen: Tensor, directions: Tensor) -> Tensor:
    """Solve min ‖direction − Σ w d‖ over w ≥ 0 exactly; rows of zeros in `chosen` get no weight.

    The best weights are the unconstrained ones of some subset of the texts, and there are few.
    """
    gram = chosen @ chosen.transpose(1, 2)
    target = torch.einsum("nkd,nd->nk", chosen, directions)
    size = chosen.shape[1]
    best, explained = torch.zeros_like(target), torch.zeros_like(target[:, 0])
    present = gram.diagonal(dim1=1, dim2=2) > 0
    identity = torch.eye(size).to(gram)
    for subset in range(1, 2**size):
        inside = torch.tensor([bool(subset >> position & 1) for position in range(size)])
        both = (inside[:, None] & inside[None, :]).to(gram)
        system = gram * both + identity * (~inside).to(gram)
        solution, _ = torch.linalg.solve_ex(system, target * inside)
        # Of what ‖direction‖² loses, also where the system is singular and its solution is none.
        value = 2 * (solution * target).sum(1)
        value = value - torch.einsum("nk,nkj,nj->n", solution, gram, solution)
        fits = (present | ~inside).all(1) & (solution >= 0).all(1) & (value > explained)
        best = torch.where(fits[:, None], solution, best)
        explained = torch.where(fits, value, explained)
    return best
