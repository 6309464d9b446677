"""Whether changes of pixels pick out the heads that changes of the scene pick out.

A head's true property is known from interventions on scenes; its profile comes from transforms of
pictures, as it could for photographs. If a transform moves the heads of one property more than all
others, it can be read as a sign of that property.
"""

import math
from collections.abc import Mapping, Sequence

from clipheads.bundle import ProfileAgreement

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
    for name in sorted(sizes, key=lambda one: (-sizes[one], one)):
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


def area_under_curve(members: Sequence[float], others: Sequence[float]) -> float:
    """Return the probability that a member has a larger value than one of the others.

    It is 1 if all members do, 0.5 for values that know nothing, 0 if none does; ties count half.

    >>> area_under_curve([3.0, 5.0], [1.0, 4.0])
    0.75
    """
    wins = sum((one > other) + 0.5 * (one == other) for one in members for other in others)
    return wins / (len(members) * len(others))
