"""The causal profile of heads: how far a change to pictures moves each head's contribution.

The measure is the total effect E‖Δy‖² / (2 Var y), where Δy is the change of a head's contribution
y under a transform, and Var y the trace of its covariance over the same pictures. It is 0 for a
head that ignores the change, and 1 where the change moves it as far as another picture would: for
two independent pictures E‖Δy‖² is 2 Var y. Above 1 the transform moves pictures further than they
differ among themselves. Coordinates in an orthonormal basis give the same value as contributions.
It is Jansen's estimator of Sobol's total-effect index (Jansen, 1999).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clipheads.maths.sensitivity import PERCENTILES, resampling

STANDS_OUT = 2.0
"""A head stands out if the interval of its effect over the heads' mean lies above this."""

READS = 0.5
"""A head reads if the interval of `Reading.beyond` lies above so many standard deviations."""

SMALLEST_VARIANCE = 1e-12
"""Below this a contribution is constant up to the rounding of float32, and nothing moves it."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Values with 95% intervals by bootstrap over images, all of one shape."""

    value: Tensor
    low: Tensor
    high: Tensor


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of transforms on heads, each [heads, transforms]."""

    effect: Interval
    """E‖Δy‖² / (2 Var y)."""
    ratio: Interval
    """The same, divided by its mean over the heads."""

    @property
    def stands_out(self) -> Tensor:
        """Where a head is moved clearly more than the mean head, [heads, transforms]."""
        return self.ratio.low > STANDS_OUT


@dataclass(frozen=True, eq=False)
class Reading:
    """How far a printed word moves contributions towards the word's own text, each [heads]."""

    towards: Tensor
    """Mean of ⟨Δc, t⟩ over the images, t being the text of the word printed on the image."""
    deviations: Tensor
    """The same in standard deviations of ⟨c, t⟩ over the images without the word."""
    beyond: Interval
    """The same minus the mean over the texts of the other words, which are not on the image: 0 for
    a head that does not read."""

    @property
    def reads(self) -> Tensor:
        """Where a head clearly follows the word, [heads]."""
        return self.beyond.low > READS


def measure_effects(before: Tensor, after: Iterable[Tensor]) -> Effects:
    """Measure the total effect of each transform on each head, with intervals.

    Args:
        before: coordinates of the original pictures, [N, heads, r].
        after: for each transform the coordinates of the transformed pictures, [N, heads, r].
    """
    y = before.double()
    y = y - y.mean(dim=0)
    lengths = y.square().sum(dim=2)  # [N, heads]
    moved = torch.stack(
        [(moved.double() - before.double()).square().sum(dim=2) for moved in after], dim=2
    )
    count = len(y)
    weights = resampling(count)
    unbiased = count / max(1, count - 1)
    variance = unbiased * lengths.mean(dim=0)
    resampled = torch.stack(
        [
            unbiased * (weights @ lengths[:, head] - (weights @ y[:, head]).square().sum(dim=1))
            for head in range(y.shape[1])
        ],
        dim=1,
    )  # [resamples, heads]
    effect = _effect(moved.mean(dim=0), variance)
    effects = _effect(torch.einsum("bn,nht->bht", weights, moved), resampled)
    return Effects(_interval(effect, effects), _interval(_over_mean(effect), _over_mean(effects)))


def measure_reading(before: Tensor, after: Tensor, texts: Tensor, words: Sequence[int]) -> Reading:
    """Measure how far printed words move heads towards the texts that say them.

    Args:
        before: coordinates of the original pictures, [N, heads, r].
        after: coordinates of the pictures with a word printed on each, [N, heads, r].
        texts: each word's text in the bases of the heads, [words, heads, r]; at least two words.
        words: the word of each picture, as its row in `texts`.
    """
    towards = torch.einsum("nhr,whr->nhw", (after - before).double(), texts.double())
    spread = torch.einsum("nhr,whr->nhw", before.double(), texts.double()).std(dim=0, correction=0)
    rows = torch.arange(len(before))
    own = towards[rows, :, list(words)]
    scaled = torch.where(spread**2 > SMALLEST_VARIANCE, towards / spread, 0.0)
    own_scaled = scaled[rows, :, list(words)]
    others = (scaled.sum(dim=2) - own_scaled) / (len(texts) - 1)
    beyond = own_scaled - others
    return Reading(
        own.mean(dim=0),
        own_scaled.mean(dim=0),
        _interval(beyond.mean(dim=0), resampling(len(before)) @ beyond),
    )


def _effect(moved: Tensor, variance: Tensor) -> Tensor:
    """Return moved [..., heads, transforms] over twice the variance [..., heads]."""
    varying = (variance > SMALLEST_VARIANCE)[..., None]
    return torch.where(varying, moved / (2 * variance.clamp(min=1e-300))[..., None], 0.0)


def _over_mean(effect: Tensor) -> Tensor:
    """Divide effects [..., heads, transforms] by their mean over heads; 0 where all are 0."""
    mean = effect.mean(dim=-2, keepdim=True)
    return torch.where(mean > 0, effect / mean, 0.0)


def _interval(value: Tensor, resampled: Tensor) -> Interval:
    """Put the percentiles of resampled values [resamples, ...] beside the value [...]."""
    low, high = np.percentile(resampled.numpy(), PERCENTILES, axis=0)
    return Interval(value, torch.from_numpy(low), torch.from_numpy(high))
