"""An image that is near to a query, as several records of a bundle name it."""

from clipheads.bundle.names import Slug
from clipheads.bundle.record import Record


class Neighbour(Record):
    """An image and its cosine with the query."""

    image: Slug
    score: float
