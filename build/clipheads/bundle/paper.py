"""`paper.json`: what the authors of the paper published, and Table 1 recomputed from it."""

from pydantic import Field

from clipheads.bundle.model import Score
from clipheads.bundle.names import HeadId, ModelName
from clipheads.bundle.record import Record

DEFINITION = "shared"
"""The measure that the paper defines."""

FOLDING = "case, punctuation, plural"
"""The folding of labels that the atlas uses everywhere."""


class TableRow(Record):
    """What the paper's tables print about one model."""

    model: ModelName
    size: str
    patch: int
    data: str = Field(description="Training data, as the paper names it")
    entanglement: float = Field(ge=0, le=1, description="Table 1")
    association: float = Field(ge=0, le=1, description="Table 2")


class PublishedModel(TableRow):
    """What the authors published about one model."""

    labels: dict[HeadId, str] = Field(
        min_length=2, description="Head such as L11.H7 to its label, as published"
    )


class AuditedModel(PublishedModel):
    """One model with its scores by the paper's definition, beside the printed ones."""

    distinct: int = Field(description="Distinct labels after folding")
    shared: Score = Field(description="Heads whose label another head also has")
    unique: int = Field(description="Heads whose label no other head has")
    printed_heads: int | None = Field(
        description="The number of heads that Table 1 stands for; None if it is no share of them"
    )
    printed_association_heads: int | None = Field(description="The same of Table 2")

    @property
    def heads(self) -> int:
        """How many heads have a published label."""
        return len(self.labels)


class Reading(Record):
    """One way to count, over all models, beside Table 1. Lists follow the order of the models."""

    measure: str
    title: str = Field(description="What is counted, as a phrase")
    folding: str = Field(description="What is folded before labels are compared")
    more_is_entangled: bool = Field(description="Whether more entangled models have higher values")
    values: list[float]
    differences: list[float] = Field(description="Absolute differences from the printed values")
    mean_absolute_difference: float
    rank_correlation: float | None = Field(
        description="Spearman's, with the printed values; None if either does not vary"
    )
    matches: int = Field(description="Models whose value is the printed one to all its digits")
    same_order: int = Field(description="Pairs of models in the order of Table 1")
    reversed_order: int = Field(description="Pairs of models in the opposite order")
    tied: int = Field(description="Pairs of models that are equal in this reading or in Table 1")


class JoinedSpellings(Record):
    """Spellings that one model has and that count as one label."""

    model: ModelName
    spellings: list[str]
    joined_by: str = Field(description="The mildest folding that makes them one")


class PaperRecord(Record):
    """Everything that `head-atlas audit` and the pages about the paper show."""

    labels_source: str
    tables_source: str
    models: list[AuditedModel] = Field(min_length=1, description="In the order of the tables")
    method: list[str]
    caveats: list[str]
    findings: list[str]
    readings: list[Reading] = Field(min_length=1, description="Every measure under every folding")
    association_in_print: float | None = Field(
        description="Rank correlation of Table 2 with Table 1 as printed"
    )
    association_recomputed: float | None = Field(
        description="Rank correlation of Table 2 with the paper's definition, recomputed"
    )
    spellings: list[JoinedSpellings]

    @property
    def nearest(self) -> Reading:
        """The reading with the smallest mean absolute difference."""
        return min(self.readings, key=lambda reading: reading.mean_absolute_difference)

    def reading(self, measure: str, folding: str = FOLDING) -> Reading:
        """Return the reading of that name.

        Raises:
            KeyError: there is none.
        """
        for reading in self.readings:
            if (reading.measure, reading.folding) == (measure, folding):
                return reading
        raise KeyError((measure, folding))
