"""Entanglement and association: two numbers for how interpretable a model's heads are.

Section 4 of Madasu et al. (2024), over the heads of the last four layers.
"""

from collections import Counter
from collections.abc import Sequence
from math import sqrt

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.model import Score

Z = 1.959964
"""The 97.5th percentile of the standard normal distribution: an interval of 95 %."""
MATCHES_NEEDED = 3
"""Descriptions that must match the label for a head to be associated with it."""


def entanglement(labels: Sequence[str | None]) -> Score:
    """Share of heads whose label at least one other head also bears; 0 is all disentangled.

    Args:
        labels: one for each head; None for a head without, which shares with none.

    Raises:
        ValueError: if there is no head.
    """
    folded = [None if label is None else fold_label(label) for label in labels]
    bearers = Counter(label for label in folded if label is not None)
    return share_of_heads([label is not None and bearers[label] > 1 for label in folded])


def association(labels: Sequence[str | None], matching: Sequence[int]) -> Score:
    """Share of heads with at least three descriptions that match the head's label.

    Args:
        labels: one for each head; None for a head without, which is associated with none.
        matching: how many of each head's descriptions match its label.

    Raises:
        ValueError: if there is no head, or the lengths differ.
    """
    return share_of_heads(
        [
            label is not None and count >= MATCHES_NEEDED
            for label, count in zip(labels, matching, strict=True)
        ]
    )


def share_of_heads(counted: Sequence[bool]) -> Score:
    """Share of heads that count, with Wilson's 95 % interval for a binomial proportion.

    Each head counts once, as a success or not. The interval takes heads for independent draws,
    which they are not where heads count by the label that they share: those come at least in
    pairs, so that the true uncertainty is larger. Even 0 of n heads has an interval of some width.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927).

    >>> share_of_heads([False] * 48).high
    0.0741

    Raises:
        ValueError: if there is no head.
    """
    if not counted:
        raise ValueError("a share of heads needs at least one head")
    n, count = len(counted), sum(map(bool, counted))
    share = count / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return Score(
        value=round(share, 6),
        # Rounding must not push a bound past the share that it encloses, nor past 0 and 1.
        low=round(max(0.0, min(centre - half, share)), 6),
        high=round(min(1.0, max(centre + half, share)), 6),
        count=count,
    )
