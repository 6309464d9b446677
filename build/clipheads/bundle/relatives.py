"""`relatives.json`, `relatives/<model>.json`: the most similar heads, in a model and in others."""

from typing import Annotated, Literal

from pydantic import Field

from clipheads.bundle.names import HeadId, ModelName
from clipheads.bundle.record import Count, Record, Sha256

Share = Annotated[float, Field(ge=0, le=1)]


class Relative(Record):
    """A similar head, compared with the head in whose record it stands."""

    head: HeadId
    cka: Share = Field(description="Linear CKA of the contributions of both heads")
    chance: float = Field(description="Its mean over all permutations of one head's images", ge=0)
    texts: Share = Field(
        description="Overlap of descriptions: the sum over texts of the smaller weight; a head's"
        " texts are weighted by the share of variance that they explain, and sum to 1"
    )
    properties: Share = Field(description="The same over the properties of the descriptions")
    shared: list[str] = Field(description="Texts that describe both heads, by their overlap")


class HeadRelatives(Record):
    """How similar the heads of a model are to one head, of the same or of another model."""

    cka: list[Share] = Field(description="With each head of the model, in ModelRecord's order")
    median: Share | None = Field(description="Of `cka` without the head itself; None if none left")
    by_cka: list[Relative] = Field(description="The most similar first")
    by_descriptions: list[Relative] = Field(
        description="Those whose descriptions overlap most, then those whose properties do"
    )


class OwnRelatives(HeadRelatives):
    """The same among the heads of its own model."""

    dimension: float = Field(
        ge=0, description="Effective dimension of the head: (tr Σ)² / tr Σ²; 0 if it is constant"
    )


class ModelRelatives(Record):
    """How the heads of a model were compared."""

    images: Count = Field(description="Size of the sample, evenly spaced over the gallery")
    median: Share | None = Field(description="Median CKA of two heads of the model")
    high: Share | None = Field(description="95th percentile of it")
    fingerprint: Sha256 = Field(description="Hash of all that is compared with other models")


class OwnRelativesRecord(Record):
    """`<model>/relatives.json`."""

    format: Literal[1] = 1
    model: ModelRelatives
    heads: dict[HeadId, OwnRelatives]


class OtherRelativesRecord(Record):
    """`<model>/relatives/<other>.json`: the relatives in another model of the atlas."""

    format: Literal[1] = 1
    model: ModelName
    other: ModelName
    fingerprint: Sha256 = Field(description="ModelRelatives.fingerprint of `model`")
    other_fingerprint: Sha256
    heads: dict[HeadId, HeadRelatives]


def other_relatives_file(other: str) -> str:
    """The path of the relatives in another model, below the folder of a bundle."""
    return f"relatives/{other}.json"
