"""`images.json`: for each image the heads with the largest share, and what the model answers."""

from pydantic import Field

from clipheads.bundle.names import HeadId, Slug
from clipheads.bundle.record import Format, Record


class HeadShare(Record):
    """The share of a head in the embedding of one image."""

    head: HeadId
    share: float
    excess: float


class ZeroShotAnswer(Record):
    """A zero-shot answer about one image, by the whole model."""

    text: str = Field(description="Of the pool's texts of this property the most similar")
    property: str | None = Field(description="None for a bare text list")
    cosine: float


class ImagesRecord(Record):
    """`<model>/images.json`: for each gallery image the heads that contribute most, and answers."""

    format: Format = 3
    images: dict[Slug, list[HeadShare]]
    answers: dict[Slug, list[ZeroShotAnswer]] = Field(
        description="The most similar first; at most one answer of each property"
    )
