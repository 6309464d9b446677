"""The direct and the total effect of ablating heads, with intervals over images.

An effect is the mean over images of 1 − cosine of the embedding before and after; for unit
embeddings that is ‖Δ‖² / 2, with Δ the change of the embedding. Later blocks may amplify the direct
change Δd of a head, turn it, or compensate for it. Σ⟨Δt, Δd⟩ / Σ‖Δd‖² says how much of the direct
change is left in the total one Δt: 1 if later blocks leave it as it is, less if they compensate.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.maths.patching import Ablated
from clipheads.maths.sensitivity import Index, resampling

SMALLEST_EFFECT = 1e-12
"""Below this a change is rounding of float32, and has neither a ratio nor a direction."""


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects of ablating heads; every value is [heads]."""

    direct: Index
    total: Index
    ratio: Index
    """Total over direct effect; NaN for heads that do nothing."""
    kept: Index
    """Share of the direct change that is left in the total one; NaN for heads that do nothing."""
    norm_error: float
    """Distance of the frozen from the direct changes, relative to the direct changes."""


def measure_effects(ablated: Ablated) -> Effects:
    """Measure direct and total effects over the images of `ablated`."""
    whole = ablated.whole.double()[:, None]
    direct, total = ablated.direct.double() - whole, ablated.total.double() - whole
    frozen = ablated.frozen.double() - whole
    directs, totals = direct.square().sum(dim=2), total.square().sum(dim=2)
    inner = (direct * total).sum(dim=2)  # [B, heads], as are both before
    apart, length = (frozen - direct).square().sum(), directs.sum()
    return Effects(
        direct=_ratio(directs / 2, torch.ones_like(directs)),
        total=_ratio(totals / 2, torch.ones_like(totals)),
        ratio=_ratio(totals, directs),
        kept=_ratio(inner, directs),
        norm_error=float((apart / length).sqrt()) if length > SMALLEST_EFFECT else 0.0,
    )


def _ratio(numerator: Tensor, denominator: Tensor) -> Index:
    """Ratio of two sums over images [B, heads]; NaN where the denominator vanishes."""
    weights, least = resampling(len(numerator)), 2 * SMALLEST_EFFECT
    above, below = numerator.mean(dim=0), denominator.mean(dim=0)
    resampled = (weights @ numerator) / (weights @ denominator).clamp(min=least)
    return Index(
        torch.where(below > least, above / below, torch.nan),
        torch.where(below > least, resampled, torch.nan),
    )
