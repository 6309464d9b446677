"""A scatter plot: where its points and its ticks lie; `scatter.js` follows the same rules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 52
"""Margins around the points, for ticks and titles."""
SKEWED = 10
"""An axis is logarithmic where every value is positive and the largest is so many times the
median."""
TICKS = 6
"""An axis has about so many, and never twice as many."""


@dataclass(frozen=True)
class Axis:
    """A scale from values to 0–1."""

    low: float
    high: float
    logarithmic: bool

    def at(self, value: float) -> float:
        """Where a value lies between the ends, 0 to 1."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round numbers between the ends: of equal steps, or 1, 2 and 5 of each power of ten."""
        if not self.logarithmic:
            step = _round_step((self.high - self.low) / TICKS)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            return tuple(_tidy(step * count) for count in range(first, last + 1))
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1,)):
            ticks = [_tidy(digit * 10.0**power) for power in powers for digit in digits]
            inside = tuple(tick for tick in ticks if self.low <= tick <= self.high)
            if len(inside) <= 1.5 * TICKS:
                break
        return inside


@dataclass(frozen=True)
class Tick:
    """A tick: where it is, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """A plot of which every position is known, in units of its view box."""

    points: tuple[tuple[float, float] | None, ...]
    """Of each head, None without a value on either axis."""
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def axis(values: Sequence[float]) -> Axis:
    """The scale that has room for all values, of which there is at least one."""
    low, high = min(values), max(values)
    if low == high:
        return Axis(low - 0.5, high + 0.5, logarithmic=False)
    if low > 0 and high > SKEWED * median(values):
        return Axis(low, high, logarithmic=True)
    return Axis(min(low, 0.0) if low < 0.5 * high else low, high, logarithmic=False)


def scatter(xs: Sequence[float | None], ys: Sequence[float | None]) -> Scatter:
    """The plot of heads by two of their numbers; at least one head has both."""
    both = [(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None]
    across, up = axis([x for x, _ in both]), axis([y for _, y in both])

    def x_at(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * across.at(value), 1)

    def y_at(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * up.at(value), 1)

    return Scatter(
        points=tuple(
            None if x is None or y is None else (x_at(x), y_at(y))
            for x, y in zip(xs, ys, strict=True)
        ),
        across=tuple(Tick(x_at(tick), _written(tick)) for tick in across.ticks),
        up=tuple(Tick(y_at(tick), _written(tick)) for tick in up.ticks),
    )


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least * (1 - 1e-9))


def _tidy(value: float) -> float:
    return float(f"{value:.10g}")


def _written(value: float) -> str:
    return f"{value:.10g}".replace("-", "\N{MINUS SIGN}")
