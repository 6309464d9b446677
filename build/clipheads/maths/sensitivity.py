"""Sobol's sensitivity indices by paired interventions: which factor of an image moves a vector.

Two independent images A and B are made, and for each factor the image Aᵢ that has factor i from B
and everything else from A. For a function y of images, with Var y the trace of its covariance,

    total effect   Tᵢ = E‖y(Aᵢ) − y(A)‖² / E‖y(B) − y(A)‖²
    first order    Sᵢ = 1 − E‖y(Aᵢ) − y(B)‖² / E‖y(B) − y(A)‖²

since E‖y(B) − y(A)‖² = 2 Var y. These are Sobol's indices by Jansen's estimators (Jansen, 1999;
Saltelli et al., 2010, table 2), summed over the coordinates of y. Tᵢ is what factor i causes alone
or together with others, Sᵢ what it causes alone; Tᵢ − Sᵢ is interaction. Factors are taken
for independent; where not every combination exists, over the pairs that do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clipheads.bundle.profile import RESAMPLES

PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, eq=False)
class Index:
    """An index of each of several functions, with its bootstrap over the pairs."""

    value: Tensor
    """[functions]"""
    resampled: Tensor
    """[resamples, functions]"""

    @property
    def low(self) -> Tensor:
        """Lower end of the 95% interval, [functions]."""
        return _percentile(self.resampled, PERCENTILES[0])

    @property
    def high(self) -> Tensor:
        """Upper end of the 95% interval, [functions]."""
        return _percentile(self.resampled, PERCENTILES[1])


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How far one factor moves each of several functions; every tensor is [functions]."""

    total: Index
    first_order: Index


def sensitivity(
    first: Tensor, second: Tensor, mixed: Mapping[str, Tensor]
) -> dict[str, Sensitivity]:
    """Estimate the indices of factors from paired interventions.

    Args:
        first: y(A), [pairs, functions, r]; each of the functions has r coordinates.
        second: y(B), of the same shape.
        mixed: for each factor y(Aᵢ), of the same shape.

    Returns:
        For each factor its indices; 0 for a function that is constant over the pairs.

    >>> a, b = torch.tensor([[[0.0, 1.0]], [[4.0, 1.0]]]), torch.ones(2, 1, 2)
    >>> sensitivity(a, b, {"everything": b, "nothing": a})["everything"].total.value
    tensor([1.], dtype=torch.float64)
    """
    apart = _squared(second, first)
    weights = resampling(len(first))
    return {
        factor: Sensitivity(
            _ratio(weights, _squared(values, first), apart),
            _ratio(weights, apart - _squared(values, second), apart),
        )
        for factor, values in mixed.items()
    }


def change_effect(before: Tensor, after: Tensor, variance: Tensor) -> Index:
    """Estimate how far changing an attribute moves each function: E‖Δy‖² / (2 Var y).

    1 is as far as another image would: for two independent images E‖Δy‖² is 2 Var y.

    Args:
        before: y of images, [pairs, functions, r].
        after: y of the same images with another value of the attribute, of the same shape.
        variance: Var y over all images, [functions].
    """
    moved = _squared(after, before)
    return _ratio(resampling(len(before)), moved, (2 * variance.double()).expand_as(moved))


def leads(first: Index, second: Index, times: float) -> Tensor:
    """Where an index is so many times another in 97.5% of the resamples, [functions] of bool."""
    return _percentile(first.resampled - times * second.resampled, PERCENTILES[0]) > 0


def resampling(count: int) -> Tensor:
    """Return the weight of each of `count` pairs in each bootstrap resample, [resamples, count]."""
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return torch.from_numpy(drawn / count)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances [pairs, functions] of two tensors [pairs, functions, r]."""
    return (a.double() - b.double()).square().sum(dim=2)


def _ratio(weights: Tensor, numerator: Tensor, denominator: Tensor) -> Index:
    """Ratio of two means over pairs [pairs, functions]; 0 where 0 / 0."""
    return Index(
        _divided(numerator.mean(dim=0), denominator.mean(dim=0)),
        _divided(weights @ numerator, weights @ denominator),
    )


def _divided(numerator: Tensor, denominator: Tensor) -> Tensor:
    varies = denominator > 0
    return torch.where(varies, numerator / torch.where(varies, denominator, 1.0), 0.0)


def _percentile(resampled: Tensor, percent: float) -> Tensor:
    return torch.from_numpy(np.percentile(resampled.numpy(), percent, axis=0))
