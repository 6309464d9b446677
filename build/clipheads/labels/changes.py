"""What other labels change: how many are set, cleared, and left as they were."""

from collections.abc import Mapping
from typing import NamedTuple

from clipheads.bundle.labels import Label


class LabelChanges(NamedTuple):
    """Numbers of heads."""

    set: int
    """With a label that they did not have."""
    cleared: int
    """Without the label that they had."""
    unchanged: int


def label_changes(before: Mapping[str, Label], after: Mapping[str, Label]) -> LabelChanges:
    """Compare the labels of the heads of `after` with those of `before`, by their texts."""
    former = {head: before[head].text if head in before else None for head in after}
    given = sum(label.text not in (None, former[head]) for head, label in after.items())
    cleared = sum(label.text is None and former[head] is not None for head, label in after.items())
    return LabelChanges(given, cleared, len(after) - given - cleared)
