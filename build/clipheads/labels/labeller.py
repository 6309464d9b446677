"""What every labeller is: one function, from the descriptions of heads to their labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.texts.pools import Description


@dataclass(frozen=True)
class HeadLabels:
    """The labels of the heads of a model, by ids such as `L11.H7`."""

    labels: dict[str, Label]
    matching: dict[str, list[bool]]
    """Which of a head's descriptions match its label, in order; all False without a label."""
    labeller: LabellerRecord
    unanswered: dict[str, str] = field(default_factory=dict)
    """Heads about which the labeller could not find out, and why: they keep a label they had."""


Labeller = Callable[[Mapping[str, Sequence[Description]], Path], HeadLabels]
"""From each head's TEXTSPAN descriptions, in order, and the folder of the bundle, where it finds
everything else about the heads. `clipheads.labels.registry` has one for each kind."""
