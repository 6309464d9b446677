"""`labels.json`: the labels of the heads, and the labeller that gave them."""

from typing import Literal

from pydantic import Field

from clipheads.bundle.choices import LabellerKind
from clipheads.bundle.names import HeadId
from clipheads.bundle.record import Format, Record, Sha256


class LabellerRecord(Record):
    """How the heads of a model were labelled."""

    kind: LabellerKind
    method: str = Field(description="One sentence for the reader, with its settings")
    model: str | None = None
    prompt_version: str | None = None


LABELLED_BY: dict[LabellerKind, str] = {
    "explained": "by what descriptions explain",
    "majority": "by a majority of descriptions’ properties",
    "openai": "by a language model",
    "imported": "by hand or elsewhere, read from a file",
}
"""How a head got its label, for each kind of labeller, in the words of a page."""


class NoiseFloor(Record):
    """Whether the texts of a property explain a head better than as many of those beside it."""

    texts: int = Field(description="In each set, of the property and of those beside it")
    explained: float = Field(
        description="Share of the head's variance that a set of the property explains, on average"
    )
    floor: float = Field(description="95th percentile of it over sets of the properties beside it")
    clear: bool = Field(description="Whether it is clearly more")


class Label(Record):
    """What a labeller calls a head; `ModelRecord.labeller` says how it came to it."""

    text: str | None
    confidence: float | None = Field(
        description="Share of what the descriptions explain that speaks of the label (explained),"
        " of the rank weight (majority); None if the labeller gives none"
    )
    runner_up: str | None = Field(
        default=None, description="The next property; without a label the one that came nearest"
    )
    runner_up_confidence: float | None = Field(
        default=None, description="As `confidence`, of that one"
    )
    noise: NoiseFloor | None = Field(default=None, description="None if the labeller measures none")
    reason: str = Field(description="Why this label, or why none")


class HeadLabel(Record):
    """The label of a head, and which of its descriptions match it."""

    label: Label
    matches: list[bool] = Field(description="Of the head's descriptions, in order")


class LabelsRecord(Record):
    """`<model>/labels.json`."""

    format: Format = 1
    made_by: Literal["build", "label"] = Field(
        description="The command; a build keeps the labels of `label`, unless it names a labeller"
    )
    labeller: LabellerRecord
    descriptions: Sha256 = Field(
        description="Hash of all heads' descriptions, when they got labels"
    )
    heads: dict[HeadId, HeadLabel]
    unanswered: dict[HeadId, str] = Field(
        description="Heads about which the labeller could not find out, and why"
    )
