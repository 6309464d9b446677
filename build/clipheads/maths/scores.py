"""Entanglement, association, concept consistency: how interpretable the heads of a model are.

The first two are those of section 4 of Madasu et al. (2024), over the heads of the last four
layers; concept consistency is that of Madasu et al. (2025), arXiv:2503.11103.
"""

from collections import Counter
from collections.abc import Sequence
from math import sqrt

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.model import CONSISTENCY_TEXTS, MATCHES_NEEDED, Score

Z = 1.959964
"""The 97.5th percentile of the standard normal distribution: an interval of 95 %."""


def entanglement(labels: Sequence[str | None]) -> Score:
    """Share of heads that share their label with another head; 0 is fully disentangled.

    Args:
        labels: of each head; None for an unlabelled one, which shares with none.

    Raises:
        ValueError: if there is no head.
    """
    folded = [None if label is None else fold_label(label) for label in labels]
    heads_of = Counter(label for label in folded if label is not None)
    return share_of_heads([label is not None and heads_of[label] > 1 for label in folded])


def association(labels: Sequence[str | None], matching: Sequence[int]) -> Score:
    """Share of heads with at least three descriptions that match their label.

    Args:
        labels: of each head; None for an unlabelled one, which is associated with none.
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


def concept_consistency(label: str | None, matches: Sequence[bool]) -> int:
    """CCS of a head: how many of its first five descriptions match its label.

    Args:
        label: of the head; None for an unlabelled one, whose CCS is 0.
        matches: whether each of its descriptions matches, in their order.

    >>> concept_consistency("colour", [True, True, False, True, False, True])
    3
    """
    return 0 if label is None else sum(map(bool, matches[:CONSISTENCY_TEXTS]))


def heads_by_consistency(scores: Sequence[int]) -> list[Score]:
    """CCS@K for K = 0, 1, …, 5: the share of heads with a CCS of just K; they sum to 1.

    Args:
        scores: the CCS of each head.

    Raises:
        ValueError: if there is no head, or a CCS is none of these.
    """
    if beyond := set(scores) - set(range(CONSISTENCY_TEXTS + 1)):
        raise ValueError(f"a CCS lies between 0 and {CONSISTENCY_TEXTS}, not at {min(beyond)}")
    return [share_of_heads([score == k for score in scores]) for k in range(CONSISTENCY_TEXTS + 1)]


def share_of_heads(counted: Sequence[bool]) -> Score:
    """Share of heads that count, with Wilson's 95 % interval for a binomial proportion.

    The interval takes heads for independent draws. They are not where they count by a label that
    they share, because those come at least in pairs: the true uncertainty is larger.

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
