"""`labels.json`: the labels of the heads, and the labeller that gave them."""

from typing import Literal

from pydantic import Field

from clipheads.bundle.choices import LabellerKind
from clipheads.bundle.names import HeadId
from clipheads.bundle.record import Record, Sha256


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
"""How a head was labelled, by the kind of labeller, as pages say it."""


class NoiseFloor(Record):
    """Whether texts of a property explain a head better than as many texts of its siblings."""

    texts: int = Field(description="Texts in each set, of the property and of its siblings")
    explained: float = Field(
        description="Share of the head's variance that a set of the property explains, on average"
    )
    floor: float = Field(description="95th percentile of it over sets of its siblings")
    clear: bool = Field(description="Whether the share is clearly above the floor")


class Label(Record):
    """The label of a head; `ModelRecord.labeller` says by which method."""

    text: str | None
    confidence: float | None = Field(
        description="Share of the explained variance whose descriptions have the label's property"
        " (explained), or of the rank weight (majority); None if the labeller gives none"
    )
    runner_up: str | None = Field(
        default=None, description="The second property; without a label the leading one"
    )
    runner_up_confidence: float | None = Field(
        default=None, description="As `confidence`, of the runner-up"
    )
    noise: NoiseFloor | None = Field(default=None, description="None if the labeller measures none")
    reason: str = Field(description="Why this label, or why none")


class HeadLabel(Record):
    """The label of a head, and which of its descriptions match it."""

    label: Label
    matches: list[bool] = Field(description="Of the head's descriptions, in order")
    descriptions: Sha256 = Field(
        description="Hash of the head's descriptions, with their properties and the wider ones,"
        " at the time of labelling"
    )


class LabelsRecord(Record):
    """`<model>/labels.json`; it is the same in bundle formats 2 and 3."""

    format: Literal[2, 3] = 3
    made_by: Literal["build", "label"] = Field(
        description="The command; a build keeps the labels of `label`, unless it names a labeller"
    )
    labeller: LabellerRecord
    heads: dict[HeadId, HeadLabel]
    unanswered: dict[HeadId, str] = Field(
        description="Heads that the labeller could not label, and why"
    )
