"""Entanglement and association: two numbers for how interpretable a model's heads are.

Section 4 of Madasu et al. (2024), over the heads of the last four layers.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from clipheads.bundle import Score
from clipheads.descriptions import fold_label

RESAMPLES = 10_000
SEED = 0
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
    """Share of heads that count, with a 95 % percentile bootstrap interval over heads.

    What is resampled is whether each head counts, not its label: in a sample of labels a
    head drawn twice would seem to share its label with another.

    Raises:
        ValueError: if there is no head.
    """
    if not counted:
        raise ValueError("a share of heads needs at least one head")
    indicator = np.asarray(counted, dtype=np.float64)
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, len(indicator), size=(RESAMPLES, len(indicator)))
    low, high = np.percentile(indicator[drawn].mean(axis=1), [2.5, 97.5])
    return Score(
        value=round(float(indicator.mean()), 6),
        low=round(float(low), 6),
        high=round(float(high), 6),
        count=int(indicator.sum()),
    )
