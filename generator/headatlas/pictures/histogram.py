"""A histogram as outlines in a box of 100 by 100, which a page writes as SVG.

It is cut at the deciles, so that a page can tell tenths of the gallery apart by their shade.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from clipheads.bundle.spread import Distribution

SIDE = 100


@dataclass(frozen=True, eq=False)
class Histogram:
    """A drawn distribution."""

    low: float
    high: float
    pieces: tuple[str, ...]
    """The outline of each tenth, as the path of an SVG; one for all if no value differs."""

    def position(self, value: float) -> float:
        """Where a value lies along the width, in percent; in the middle if no value differs."""
        if self.high <= self.low:
            return SIDE / 2
        share = (value - self.low) / (self.high - self.low)
        return round(SIDE * min(1.0, max(0.0, share)), 2)

    @property
    def zero_at(self) -> float | None:
        """Where zero lies; None if it lies outside."""
        return self.position(0.0) if self.low <= 0 <= self.high and self.low < self.high else None


def histogram(values: Distribution) -> Histogram:
    """Draw a distribution; the same numbers give the same outlines."""
    low, high = values.quantiles[0], values.quantiles[-1]
    if high <= low:
        return Histogram(low, high, (_outline([(0.0, SIDE, 1.0)]),))
    peak, bins = max(values.counts), len(values.counts)
    edges = [SIDE * (value - low) / (high - low) for value in values.quantiles]

    def bars(start: float, end: float) -> Iterator[tuple[float, float, float]]:
        for index, count in enumerate(values.counts):
            left = max(start, SIDE * index / bins)
            right = min(end, SIDE * (index + 1) / bins)
            if left < right and count:
                yield left, right, count / peak

    pieces = (_outline(list(bars(*ends))) for ends in pairwise(edges))
    return Histogram(low, high, tuple(pieces))


def _outline(bars: list[tuple[float, float, float]]) -> str:
    """The path of bars (left, right, height in 0…1) that stand on the lower edge of the box."""
    return "".join(
        f"M{left:g} {SIDE}V{SIDE - SIDE * height:g}H{right:g}V{SIDE}z"
        for left, right, height in (
            (round(left, 2), round(right, 2), round(height, 4)) for left, right, height in bars
        )
    )
