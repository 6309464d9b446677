"""A model's heads in miniature: cells in the colours of their labels, a path for each colour."""

from collections.abc import Iterable
from dataclasses import dataclass

GAP = 0.12
"""Of the side of a cell, between it and the next."""


@dataclass(frozen=True)
class Locator:
    """The grid of a model, a column a head and a row a layer, the last layer on top."""

    columns: int
    layers: int
    paths: tuple[tuple[int | None, str], ...]
    """The number of a colour, None without a label, and the outline of all cells that have it."""

    def corner(self, layer: int, head: int) -> tuple[int, int]:
        """Column and row of a head."""
        return head, self.layers - 1 - layer


def locator(
    columns: int, layers: int, colours: Iterable[tuple[tuple[int, int], int | None]]
) -> Locator:
    """Outline the cells of each colour.

    Args:
        columns: heads in a layer.
        layers: of the model.
        colours: (layer, head) and its colour, of all heads that are shown.
    """
    side = f"{1 - GAP:g}"
    cells: dict[int | None, str] = {}
    for (layer, head), colour in colours:
        cell = f"M{head} {layers - 1 - layer}h{side}v{side}h-{side}z"
        cells[colour] = cells.get(colour, "") + cell
    ordered = sorted(cells, key=lambda colour: -1 if colour is None else colour)
    return Locator(columns, layers, tuple((colour, cells[colour]) for colour in ordered))
