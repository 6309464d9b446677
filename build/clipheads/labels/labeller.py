"""What every labeller is: a name for its kind, what its labels depend on, and one function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipheads.bundle.choices import LabellerKind
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


@dataclass(frozen=True)
class Labeller:
    """A way of labelling heads, chosen and set up; see `clipheads.labels.registry`."""

    kind: LabellerKind
    settings: Mapping[str, object]
    """Every setting that changes its labels, as plain JSON: part of the key of what is made."""
    label_heads: Callable[[Mapping[str, Sequence[Description]], Path], HeadLabels]
    """From each head's TEXTSPAN descriptions, in order, and the folder of the bundle, where it
    finds everything else about the heads."""
