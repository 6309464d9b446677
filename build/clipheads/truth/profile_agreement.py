"""Whether changes of pixels pick out the heads that changes of the scene pick out.

A head's true property is measured by interventions on scenes; its profile by transforms of
pictures, which photographs allow as well. If a transform moves the heads of one property more than
all others (an AUC near 1), it indicates that property.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clipheads.bundle.ground_truth import ProfileAgreement, ProfileCorrelation

DEVIATIONS = 1.96
"""Of a normal distribution: 95% lie within."""


def profile_agreement(
    effects: Mapping[str, Mapping[str, float]], truth: Mapping[str, str | None]
) -> list[ProfileAgreement]:
    """Measure for each true property how well each transform finds its heads.

    Args:
        effects: for each head the effect of each transform, the same transforms for all.
        truth: the true property of each of these heads; None where it is mixed.

    Returns:
        A row for each property that some heads have and others have not, the most frequent first.
    """
    sizes: dict[str, int] = {}
    for head in effects:
        name = truth[head]
        if name is not None:
            sizes[name] = sizes.get(name, 0) + 1
    rows = []
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        members = [head for head in effects if truth[head] == name]
        others = [head for head in effects if truth[head] != name]
        if not others:
            continue
        spread = math.sqrt((len(effects) + 1) / (12 * len(members) * len(others)))
        rows.append(
            ProfileAgreement(
                property=name,
                heads=len(members),
                auc={
                    transform: round(
                        area_under_curve(
                            [effects[head][transform] for head in members],
                            [effects[head][transform] for head in others],
                        ),
                        4,
                    )
                    for transform in effects[members[0]]
                },
                chance=round(min(1.0, 0.5 + DEVIATIONS * spread), 4),
            )
        )
    return rows


def rank_correlations(
    effects: Mapping[str, Mapping[str, float]], indices: Mapping[str, Mapping[str, float]]
) -> list[ProfileCorrelation]:
    """Correlate over heads the effect of each transform with that of each factor of the scene.

    Args:
        effects: for each head the effect of each transform, the same transforms for all.
        indices: for each of these heads the total effect of each factor of the scene.

    Returns:
        A row for each factor with Spearman's correlations, 0 where one of the two is constant.
    """
    first = next(iter(effects))
    moved = {
        transform: _ranks([own[transform] for own in effects.values()])
        for transform in effects[first]
    }
    rows = []
    for factor in indices[first]:
        caused = _ranks([indices[head][factor] for head in effects])
        rows.append(
            ProfileCorrelation(
                factor=factor,
                correlations={
                    transform: round(_correlation(ranks, caused), 4)
                    for transform, ranks in moved.items()
                },
                chance=round(min(1.0, DEVIATIONS / math.sqrt(max(1, len(effects) - 1))), 4),
            )
        )
    return rows


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, values_at, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    shared: NDArray[np.float64] = (ends - (counts + 1) / 2)[values_at]
    return shared


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's correlation; 0 where one of the two is constant."""
    x, y = x - x.mean(), y - y.mean()
    length = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / length if length > 0 else 0.0


def area_under_curve(members: Sequence[float], others: Sequence[float]) -> float:
    """Return the AUC: the probability that a member has a larger value than one of the others.

    It is 1 if all members do, 0.5 at chance, 0 if none does; ties count half.

    >>> area_under_curve([3.0, 5.0], [1.0, 4.0])
    0.75
    """
    wins = sum((member > other) + 0.5 * (member == other) for member in members for other in others)
    return wins / (len(members) * len(others))
