"""The singular directions of a head's value-output matrix, described by texts."""

from typing import Annotated

from pydantic import Field

from clipheads.bundle.record import Count, Record

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1.00001, le=1.00001)]


class WeightedText(Record):
    """A text of the pool in a sum."""

    text: str
    property: str | None
    weight: float = Field(gt=0)


class Pole(Record):
    """One of the two ways along a direction, as a sum of texts."""

    texts: list[WeightedText] = Field(description="The largest weight first; empty if none fits")
    fidelity: Cosine = Field(description="Cosine of the sum with the direction; 0 without a text")


class SingularDirection(Record):
    """A right singular vector of the head's value-output matrix through the projection."""

    share: Share = Field(description="Of the matrix's squared Frobenius norm")
    positive: Pole
    negative: Pole


class ModelDirections(Record):
    """What the fidelity of a direction can be compared with."""

    texts: Count = Field(description="Of the pool")
    samples: Count = Field(description="Random directions that were described in the same way")
    random: Cosine = Field(description="Their mean fidelity")
    high: Cosine = Field(description="The 95th percentile of their fidelity")
