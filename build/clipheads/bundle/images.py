"""`images.json`: the heads with the largest share of each image."""

from clipheads.bundle.names import HeadId, Slug
from clipheads.bundle.record import Format, Record


class HeadShare(Record):
    """The share of a head in the embedding of one image."""

    head: HeadId
    share: float
    excess: float


class ImagesRecord(Record):
    """`<model>/images.json`: for each gallery image the heads that contribute most."""

    format: Format = 3
    images: dict[Slug, list[HeadShare]]
