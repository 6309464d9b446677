"""What a head's page shows of the distribution of its contribution: histograms over images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import Architecture
from clipheads.bundle.spread import TENTHS, Distribution, HeadSpread, Sample
from headatlas.pages.view import ModelView, Picture
from headatlas.pictures.histogram import Histogram, histogram

MOST_DECIMALS = 6
"""As many as records hold."""


@dataclass(frozen=True, eq=False)
class SampleView:
    """An image and its value."""

    picture: Picture
    value: float


@dataclass(frozen=True, eq=False)
class TenthView:
    """A tenth of the gallery; positions are percentages of the width."""

    median: float
    samples: tuple[SampleView, ...]
    median_at: float
    """Where the median lies below the histogram."""
    column_at: float
    """Where the middle of its column of images lies."""


@dataclass(frozen=True, eq=False)
class DistributionView:
    """The images of the gallery along one direction."""

    record: Distribution
    drawn: Histogram
    images: int
    """Of the whole gallery."""
    lowest: tuple[SampleView, ...]
    tenths: tuple[TenthView, ...]
    highest: tuple[SampleView, ...]

    @property
    def decimals(self) -> int:
        """So many that values are told apart to about a hundredth of their range."""
        scale = self.drawn.high - self.drawn.low or abs(self.drawn.high) or 1.0
        return min(MOST_DECIMALS, max(0, 1 - floor(log10(scale))))

    @property
    def median(self) -> float:
        """The median of all images."""
        return self.record.quantiles[len(self.record.quantiles) // 2]


@dataclass(frozen=True, eq=False)
class SpreadView:
    """The whole distribution of a head."""

    record: HeadSpread
    most: int
    """Dimensions that the head's contributions could at most have over this gallery."""
    of_single_images: bool
    """Whether the gallery is so small that what stands for a tenth of it is a single image."""
    label: DistributionView | None
    principal: tuple[DistributionView, ...]


def spread_view(head: HeadRecord, model: ModelView) -> SpreadView:
    """The distributions of a head with their pictures."""
    record = head.spread
    images = model.record.gallery_images
    return SpreadView(
        record,
        most=_most_dimensions(model.record.architecture, images),
        of_single_images=images <= TENTHS,
        label=_view(record.label.values, model, images) if record.label else None,
        principal=tuple(_view(one.values, model, images) for one in record.principal),
    )


def _most_dimensions(shape: Architecture, images: int) -> int:
    return min(shape.d_head + 3, shape.embedding_dim, max(0, images - 1))


def _view(record: Distribution, model: ModelView, images: int) -> DistributionView:
    drawn = histogram(record)
    show = _samples(model)
    return DistributionView(
        record,
        drawn,
        images,
        lowest=show(record.lowest),
        tenths=tuple(
            TenthView(
                median=tenth.median,
                samples=show(tenth.samples),
                median_at=drawn.position(tenth.median),
                column_at=round(100 * (column + 0.5) / len(record.tenths), 2),
            )
            for column, tenth in enumerate(record.tenths)
        ),
        highest=show(record.highest),
    )


def _samples(model: ModelView) -> Callable[[Sequence[Sample]], tuple[SampleView, ...]]:
    return lambda samples: tuple(SampleView(model.pictures[s.image], s.value) for s in samples)
