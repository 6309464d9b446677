"""A slope chart: how the order of some things differs between two lists of values."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Slope:
    """A line from a value on the left to one on the right; heights in the units of the chart."""

    name: str
    left: float
    right: float
    left_at: float
    """Height of the left end, from the top."""
    right_at: float
    left_text_at: float
    """Height of the text beside it, moved where texts would overlap."""
    right_text_at: float
    rises: bool


def slope_chart(
    values: Sequence[tuple[str, float, float]], *, height: float, line: float
) -> tuple[Slope, ...]:
    """Lay out a slope chart in which no two texts of a side overlap.

    Args:
        values: name, value on the left and value on the right of each line.
        height: of the chart; the largest value of all lies `line / 2` below its top, the smallest
            as much above its bottom.
        line: height of a line of text.

    Raises:
        ValueError: `height` has no room for all texts of a side.
    """
    if height < line * len(values):
        raise ValueError(f"{len(values)} lines of text do not fit into the height {height}")
    ends = [value for _, left, right in values for value in (left, right)]
    low, high = min(ends, default=0.0), max(ends, default=0.0)

    def at(value: float) -> float:
        part = (high - value) / (high - low) if high > low else 0.5
        return round(line / 2 + part * (height - line), 2)

    lefts, rights = [at(left) for _, left, _ in values], [at(right) for _, _, right in values]
    left_texts, right_texts = _apart(lefts, height, line), _apart(rights, height, line)
    return tuple(
        Slope(
            name=name,
            left=left,
            right=right,
            left_at=lefts[index],
            right_at=rights[index],
            left_text_at=left_texts[index],
            right_text_at=right_texts[index],
            rises=right > left,
        )
        for index, (name, left, right) in enumerate(values)
    )


def _apart(heights: Sequence[float], height: float, line: float) -> list[float]:
    """Centres of texts at least `line` apart, by a sweep down and one up from `heights`."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    placed = [heights[index] for index in order]
    for index in range(1, len(placed)):
        placed[index] = max(placed[index], placed[index - 1] + line)
    for index in range(len(placed) - 1, -1, -1):
        below = placed[index + 1] - line if index + 1 < len(placed) else height - line / 2
        placed[index] = min(placed[index], below)
    found = [0.0] * len(heights)
    for index, centre in zip(order, placed, strict=True):
        found[index] = round(centre, 2)
    return found
