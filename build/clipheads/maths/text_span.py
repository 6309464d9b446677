"""TEXTSPAN: greedy text descriptions of the directions in which a head's contributions vary.

Greedy and orthogonal (Gandelsman et al., 2024, algorithm 1): pick the description along whose
projection on the head's outputs these vary most, remove its direction from all descriptions and
from the outputs, repeat. The outputs matter only through their covariance Σ, so the cost does not
grow with the number of images.
"""

from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor

RANK_TOLERANCE = 1e-10
"""Directions with less than this fraction of the largest variance are float32 rounding noise."""

RANDOM_SETS = 40
"""Sets of texts over which `yardsticks` takes the mean."""

VANISHED = 1e-6
"""A description of which less than this fraction is left has no direction of its own any more."""


@dataclass(frozen=True)
class Yardsticks:
    """Baselines for the share of a head's variance that its descriptions explain."""

    random: float
    """Mean share that as many texts drawn at random from the pool explain."""
    best: float
    """Share that as many principal components explain (PCA), the most that is possible."""


@dataclass(frozen=True)
class Pick:
    """A description that TEXTSPAN chose."""

    index: int
    """Its row among the descriptions."""
    share: float
    """Share of the head's variance that its direction explains beyond the picks before it."""


def textspan(
    covariance: Tensor | ArrayLike, descriptions: Tensor | ArrayLike, k: int = 10
) -> list[Pick]:
    """Choose up to k descriptions that span the head's variance.

    Args:
        covariance: Σ of the head's coordinates over the images, [r, r].
        descriptions: Text embeddings in the same coordinates, t = BᵀR, [n, r].
        k: Number of picks; fewer are returned where rank or descriptions run out.

    Returns:
        Picks in the order of choice; their shares sum to at most one.

    >>> textspan([[4.0, 0.0], [0.0, 1.0]], [[0.0, 0.5], [1.0, 0.0], [0.6, 0.8]], k=2)
    [Pick(index=1, share=0.8), Pick(index=2, share=0.2)]
    """
    sigma = torch.as_tensor(covariance, dtype=torch.float64)
    texts = torch.as_tensor(descriptions, dtype=torch.float64, device=sigma.device)

    # In the eigenbasis Σ is diagonal, and leaving out its null space projects the descriptions
    # on the row space of the (centred) outputs, which is where the algorithm compares them.
    values, vectors = torch.linalg.eigh((sigma + sigma.T) / 2)
    spanned = (values > 0) & (values > RANK_TOLERANCE * values[-1])
    variances, t = values[spanned], texts @ vectors[:, spanned]
    vanishing = VANISHED * texts.norm(dim=1)
    total = values.clamp(min=0).sum()

    picks: list[Pick] = []
    while len(picks) < k and t.numel() > 0:
        # t is orthogonal to all directions removed so far, so tᵀΣt needs no deflated Σ.
        squares = t.square()
        scores = torch.where(squares.sum(1).sqrt() > vanishing, squares @ variances, -1.0)
        best = int(scores.argmax())
        if scores[best] < 0:
            break
        u = t[best] / t[best].norm()
        picks.append(Pick(best, float(u.square() @ variances / total)))
        t = t - torch.outer(t @ u, u)
    return picks


def explained_by_sets(covariance: Tensor, sets: Tensor, k: int) -> Tensor:
    """Share of a head's variance that `textspan` explains with k texts of each of several sets.

    Args:
        covariance: Σ of the head's coordinates, [r, r].
        sets: text embeddings in the same coordinates, [sets, texts, r]; a set picks its own.
        k: number of picks in each set.

    Returns:
        [sets], in 0…1; 0 for a head that does not vary.

    >>> texts = torch.tensor([[[0.0, 0.5], [1.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]]])
    >>> explained_by_sets(torch.diag(torch.tensor([4.0, 1.0])), texts, k=1)
    tensor([0.8000, 0.2000], dtype=torch.float64)
    """
    values, vectors = torch.linalg.eigh((covariance.double() + covariance.double().T) / 2)
    variances = values.clamp(min=0)
    t = sets.double() @ vectors
    vanishing = VANISHED * t.norm(dim=2)
    which = torch.arange(len(t))
    explained = torch.zeros(len(t), dtype=torch.float64)
    if not variances.sum() > 0:
        return explained
    for _ in range(min(k, t.shape[1])):
        left = t.norm(dim=2) > vanishing
        best = torch.where(left, t.square() @ variances, -1.0).argmax(dim=1)
        chosen = t[which, best]
        u = chosen / chosen.norm(dim=1, keepdim=True).clamp(min=1e-300)
        u = torch.where(left[which, best, None], u, 0.0)
        explained += u.square() @ variances
        t = t - (t @ u[:, :, None]) * u[:, None, :]
    share: Tensor = explained / variances.sum()
    return share


def yardsticks(covariance: Tensor, descriptions: Tensor, k: int) -> Yardsticks:
    """Measure the shares that k random texts and the first k principal components explain.

    Args:
        covariance: Σ of the head's coordinates, [r, r].
        descriptions: text embeddings in the same coordinates, [n, r].
        k: as many as the head has descriptions.
    """
    rng = torch.Generator().manual_seed(0)
    size = min(k, len(descriptions))
    sets = [torch.randperm(len(descriptions), generator=rng)[:size] for _ in range(RANDOM_SETS)]
    explained = explained_by_sets(covariance, descriptions[torch.stack(sets)], size)
    variances = torch.linalg.eigvalsh(covariance.double()).clamp(min=0).flip(0)
    total = float(variances.sum())
    best = float(variances[:k].sum()) / total if total > 0 else 0.0
    return Yardsticks(float(explained.mean()), best)
