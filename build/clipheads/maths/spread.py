"""How a head's contributions spread: effective dimension, principal directions, distributions.

All on coordinates y = Bᵀc, in float64.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt

import torch
from torch import Tensor

from clipheads.bundle.spread import MOST_BINS, TENTHS

POLE_SAMPLES = 4
"""Images at either end of a distribution."""
TENTH_SAMPLES = 2
"""Images of each tenth."""
NOISE = 1e-6
"""What varies by less than this fraction of the contribution's length is rounding of float32."""


@dataclass(frozen=True, eq=False)
class PrincipalDirections:
    """The directions along which the contributions of a head vary most."""

    directions: Tensor
    """Orthonormal rows, [k, r]."""
    variances: Tensor
    """Along each, largest first, [k]."""


@dataclass(frozen=True)
class Spread:
    """The distribution of a value over N images, which are named by their positions."""

    values: list[float]
    """Of the images; all the same where they vary by noise alone."""
    quantiles: list[float]
    """The minimum, the nine deciles and the maximum."""
    counts: list[int]
    """Images in bins of equal width between minimum and maximum; they sum to N."""
    lowest: list[int]
    """A few images of the lowest values, by rising value."""
    tenths: list[tuple[float, list[int]]]
    """Of each tenth of the images its median and those nearest to that, by rising value."""
    highest: list[int]
    """A few images of the highest values, by falling value."""


def varies(covariance: Tensor, mean: Tensor) -> bool:
    """Whether contributions vary by more than rounding.

    Args:
        covariance: Σ of the head's coordinates, [r, r].
        mean: of them, [r].
    """
    return bool(covariance.diagonal().sum() > (NOISE * mean.norm()) ** 2)


def effective_dimension(covariance: Tensor) -> float:
    """Participation ratio of the eigenvalues λ of Σ: (Σλ)² / Σλ², that is (tr Σ)² / ‖Σ‖².

    It is k where the variance is the same along k directions and 0 along all others, and 0 for
    a covariance of zeros.

    Args:
        covariance: Σ of the head's coordinates, [r, r].

    >>> effective_dimension(torch.diag(torch.tensor([2.0, 2.0, 0.0])))
    2.0
    """
    sigma = covariance.double()
    squares = sigma.square().sum()
    return float(sigma.diagonal().sum().square() / squares) if squares > 0 else 0.0


def principal_directions(covariance: Tensor, mean: Tensor, k: int) -> PrincipalDirections:
    """Eigenvectors of Σ with the k largest eigenvalues; those that vary by rounding are left out.

    The sign of an eigenvector is arbitrary: each points where the mean contribution lies, that is
    ⟨mean, v⟩ ≥ 0.

    Args:
        covariance: Σ of the head's coordinates, [r, r].
        mean: of them, [r].
        k: number of directions; fewer are returned where fewer vary.
    """
    sigma = covariance.double()
    values, vectors = torch.linalg.eigh((sigma + sigma.T) / 2)
    values, vectors = values.flip(0)[:k], vectors.flip(1).T[:k]
    kept = values > torch.maximum((NOISE * mean.double().norm()) ** 2, NOISE**2 * values[0])
    values, vectors = values[kept], vectors[kept]
    signs = torch.where(vectors @ mean.double() < 0, -1.0, 1.0).double()
    return PrincipalDirections(vectors * signs[:, None], values)


def share_along(covariance: Tensor, texts: Tensor) -> Tensor:
    """Share of a head's variance along the direction of each text, tᵀΣt / (‖t‖² tr Σ).

    Args:
        covariance: Σ of the head's coordinates, [r, r].
        texts: Bᵀt, [n, r]; not zero.

    Returns:
        [n], in 0…1; 0 for a covariance of zeros.

    >>> share_along(torch.diag(torch.tensor([3.0, 1.0])), torch.tensor([[5.0, 0.0]]))
    tensor([0.7500], dtype=torch.float64)
    """
    sigma, t = covariance.double(), texts.double()
    total = sigma.diagonal().sum()
    if not total > 0:
        return torch.zeros(len(t), dtype=torch.float64)
    share: Tensor = ((t @ sigma) * t).sum(1) / (t.square().sum(1) * total)
    return share


def texts_at_poles(directions: Tensor, texts: Tensor) -> list[tuple[int, int]]:
    """For each direction the texts that lie furthest along it, downwards and upwards.

    Texts are compared with their mean: what all texts share says nothing of a direction.

    Args:
        directions: [k, r].
        texts: Bᵀt of unit texts, [n, r].
    """
    along = directions.double() @ (texts.double() - texts.double().mean(0)).T
    return list(zip(along.argmin(1).tolist(), along.argmax(1).tolist(), strict=True))


def spread(values: Tensor, noise: float = 0.0) -> Spread:
    """Describe the distribution of a value over images.

    Equal values are in the order of the gallery. Quantiles are linear between two images. A
    gallery of fewer than ten images has as many groups as images.

    Args:
        values: of N images, [N], without NaN; at least one.
        noise: values all closer than this count as equal.

    >>> spread(torch.tensor([2.0, 0.0, 1.0, 3.0])).tenths
    [(0.0, [1]), (1.0, [2]), (2.0, [0]), (3.0, [3])]
    """
    own = values.double()
    if own.max() - own.min() <= noise:
        own = own.mean().expand(len(own))
    order = own.argsort(stable=True)
    steps = torch.linspace(0, 1, TENTHS + 1, dtype=torch.float64)
    groups = min(TENTHS, len(own))
    ends = [step * len(own) // groups for step in range(groups + 1)]
    return Spread(
        values=own.tolist(),
        quantiles=torch.quantile(own, steps).tolist(),
        counts=_histogram(own),
        lowest=order[:POLE_SAMPLES].tolist(),
        tenths=[_tenth(own, order[start:end]) for start, end in pairwise(ends)],
        highest=own.neg().argsort(stable=True)[:POLE_SAMPLES].tolist(),
    )


def _histogram(values: Tensor) -> list[int]:
    low, high = values.min(), values.max()
    bins = min(MOST_BINS, ceil(sqrt(len(values)))) if high > low else 1
    at = ((values - low) / (high - low) * bins).long() if bins > 1 else torch.zeros(len(values))
    counts: list[int] = at.long().clamp(max=bins - 1).bincount(minlength=bins).tolist()
    return counts


def _tenth(values: Tensor, ordered: Tensor) -> tuple[float, list[int]]:
    own = values[ordered]
    median = torch.quantile(own, 0.5)
    nearest = (own - median).abs().argsort(stable=True)[:TENTH_SAMPLES].sort().values
    return float(median), ordered[nearest].tolist()
