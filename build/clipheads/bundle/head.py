"""`heads/L11.H7.json`: everything about one head."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from clipheads.bundle.ablation import HeadAblation
from clipheads.bundle.answers import LabelAnswers
from clipheads.bundle.directions import SingularDirection
from clipheads.bundle.labels import Label
from clipheads.bundle.names import HeadId, Slug
from clipheads.bundle.neighbour import Neighbour
from clipheads.bundle.profile import HeadProfile
from clipheads.bundle.record import Format, Index, Record, check_head
from clipheads.bundle.relatives import OwnRelatives
from clipheads.bundle.spread import HeadSpread

NOISE_IMAGES = 64
"""Images over which a random text is mapped for the noise level, one each."""
NOISE_QUANTILE = 0.95
"""So many of the values of these maps are smaller than the noise level."""


class HeatMap(Record):
    """A raw grid in `heatmaps.safetensors` over one image."""

    image: Slug
    map: Index = Field(description="Index into the tensor `maps`")


class DescriptionRecord(Record):
    """One TEXTSPAN pick."""

    text: str
    property: str | None = Field(description="The pool's property; None for a bare text list")
    share: float = Field(description="Share of the head's variance that this pick explains")
    matches_label: bool
    neighbours: list[Neighbour] = Field(description="Top 8 images of the gallery")
    maps: list[HeatMap]


class ImageShare(Record):
    """The share of a head in an image's embedding."""

    image: Slug
    share: float = Field(description="<c, f/|f|>; over all terms it sums to 1")
    excess: float = Field(description="share minus the head's mean share over the gallery")


class ImageNeighbours(Record):
    """Neighbours of one image in one head: cosine of contributions."""

    image: Slug
    neighbours: list[Neighbour]


class TopicMaps(Record):
    """Heat maps of one topic text in one head."""

    text: str
    property: str | None
    maps: list[HeatMap]


class AttentionMap(Record):
    """Where the class token of a head looks in one image: its attention weights, which sum to 1."""

    class_token: float = Field(ge=0, le=1, description="Weight of the class token itself")
    patches: list[list[Annotated[float, Field(ge=0, le=1)]]] = Field(
        min_length=1, description="Weights of the patches: rows from the top"
    )

    @model_validator(mode="after")
    def _rows_of_one_length(self) -> Self:
        if len({len(row) for row in self.patches}) != 1 or not self.patches[0]:
            raise ValueError("the rows of patches have different lengths, or none")
        total = self.class_token + sum(map(sum, self.patches))
        if abs(total - 1) > 0.01:  # all are rounded
            raise ValueError(f"attention weights that sum to {total:.3f}, not to 1")
        return self


class HeadRecord(Record):
    """`<model>/heads/L11.H7.json`."""

    format: Format = 3
    id: HeadId
    layer: Index
    head: Index
    label: Label
    variance_share: float
    mean_share: float
    explained: float = Field(description="Share of the head's variance that all picks explain")
    explained_by_random: float = Field(
        description="Share that as many texts drawn at random from the pool explain, on average"
    )
    explained_by_best: float = Field(
        description="Share that the first as many principal directions explain"
    )
    answers: LabelAnswers | None = Field(
        description="None without a label, or if no text of the pool has its property"
    )
    map_noise: float = Field(
        ge=0,
        description=f"Noise level of heat maps: {NOISE_QUANTILE:.0%} of the absolute values of maps"
        f" of random texts of the pool are smaller, over {NOISE_IMAGES} images of the gallery",
    )
    descriptions: list[DescriptionRecord]
    spread: HeadSpread
    strongest: list[ImageShare]
    attention: list[AttentionMap] = Field(description="Of the first images of `strongest`")
    outlier_share: float = Field(
        description="Share of what the head reads that comes from outlier tokens, <c of these, c> /"
        " |c|^2, over the images of ModelRecord.outliers; below 0 if they oppose the rest"
    )
    image_neighbours: list[ImageNeighbours]
    topics: list[TopicMaps]
    relatives: OwnRelatives = Field(description="The most similar heads of the model")
    ablation: HeadAblation
    directions: list[SingularDirection] = Field(
        min_length=1,
        description="What its weights can write, the largest share of the matrix first",
    )
    profile: HeadProfile | None = Field(None, description="None if built with --profile none")

    @model_validator(mode="after")
    def _named_by_its_numbers(self) -> Self:
        check_head(self.id, self.layer, self.head)
        return self

    @model_validator(mode="after")
    def _attention_of_its_images(self) -> Self:
        if len(self.attention) > len(self.strongest):
            raise ValueError(f"attention in {len(self.attention)} of {len(self.strongest)} images")
        return self
