"""How the contribution of a head is distributed over the gallery, and images from end to end."""

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from clipheads.bundle.names import Slug
from clipheads.bundle.record import Count, Record

TENTHS = 10
"""Groups of equal size into which the images of a gallery are divided by their values."""

MOST_BINS = 40
"""A histogram has as many bins as the square root of the number of images, and at most these."""


class Sample(Record):
    """An image and its value."""

    image: Slug
    value: float


class Tenth(Record):
    """A tenth of the gallery, by value."""

    median: float
    samples: list[Sample] = Field(
        min_length=1, description="Images with the values nearest to the median, ascending"
    )


class Distribution(Record):
    """The values of all images of the gallery along one direction."""

    quantiles: list[float] = Field(
        min_length=TENTHS + 1,
        max_length=TENTHS + 1,
        description="The minimum, the nine deciles and the maximum",
    )
    counts: list[Count] = Field(
        min_length=1,
        description="Images in bins of equal width from the minimum to the maximum; one bin if all"
        " values are equal",
    )
    lowest: list[Sample] = Field(min_length=1, description="Ascending")
    tenths: list[Tenth] = Field(
        min_length=1,
        max_length=TENTHS,
        description="In ascending order; of a gallery of fewer than ten images each is one image",
    )
    highest: list[Sample] = Field(min_length=1, description="Descending")

    def samples(self) -> Iterator[Sample]:
        """All images that it names."""
        yield from self.lowest
        for tenth in self.tenths:
            yield from tenth.samples
        yield from self.highest

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        rising = [sample.value for tenth in self.tenths for sample in tenth.samples]
        falling = [-sample.value for sample in self.highest]
        for values in (self.quantiles, [sample.value for sample in self.lowest], rising, falling):
            if values != sorted(values):
                raise ValueError("its values are not in their order")
        return self


class AlongText(Record):
    """The inner product <c, t> of the head's contribution with the unit embedding of a text."""

    text: str
    property: str | None
    matches_label: bool = Field(
        description="Whether this is the first description that matches the head's label;"
        " else it is the first of all"
    )
    share: float = Field(description="Share of the head's variance along the text's direction")
    values: Distribution


class PrincipalDirection(Record):
    """A principal direction of the head's centred contributions; values are in its deviations."""

    share: float = Field(description="Share of the head's variance along it")
    low_text: str = Field(description="Text of the pool furthest along it downwards")
    high_text: str = Field(description="Text of the pool furthest along it upwards")
    values: Distribution


class HeadSpread(Record):
    """The whole distribution of a head's contribution over the gallery."""

    effective_dimension: float = Field(
        ge=0,
        description="Participation ratio of the variances along all principal directions; 0 for a"
        " head that does not vary",
    )
    text_share: float = Field(
        description="Share of the head's variance along a text of the pool, mean over all texts"
    )
    label: AlongText | None = Field(description="None for a head without descriptions")
    principal: list[PrincipalDirection] = Field(description="Largest share first")

    def samples(self) -> Iterator[Sample]:
        """All images that its distributions name."""
        if self.label:
            yield from self.label.values.samples()
        for direction in self.principal:
            yield from direction.values.samples()
