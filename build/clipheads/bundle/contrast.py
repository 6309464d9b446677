"""A contrast of two texts in one model: where it sees the one rather than the other."""

from pydantic import Field

from clipheads.bundle.head import HeatMap
from clipheads.bundle.names import HeadId, Slug
from clipheads.bundle.record import Record

SHOWN_WITHIN = 0.05
"""An image shows a contrast if it is in this share of the gallery nearest to each of its texts."""
SHOWN_IMAGES = 4
"""So many at most; without any, the one that comes closest."""


class ContrastMap(HeatMap):
    """A heat map of first text minus second text over one image."""

    rank: float = Field(
        gt=0,
        le=1,
        description="The larger of the image's ranks by similarity to each of the two texts, as a "
        "share of the gallery: 0.02 if it is among the nearest 2% for both",
    )


class ContrastHead(Record):
    """A head that tells the two texts apart."""

    head: HeadId
    share: float = Field(
        description="cov(<c, d>, <f, d>) / var <f, d> over the gallery, with d the first text "
        "minus the second; over all terms of the model these sum to 1"
    )


class ContrastRecord(Record):
    """First text minus second text, summed over all layers and heads of the bundle."""

    slug: Slug
    first: str
    second: str
    maps: list[ContrastMap] = Field(min_length=1, description="The nearest to both texts first")
    heads: list[ContrastHead] = Field(description="The largest shares first")
