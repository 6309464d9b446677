"""Tiles: the top images of each head of a model, all heads in one picture that pages cut up.

A grid of several hundred heads would otherwise load several hundred pictures.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from headatlas.pictures.thumbnails import square
from headatlas.urls import Link

SIDE = 96
"""Pixels of an image in a tile."""
FEW = 8
"""Heads of a layer up to which a tile is wide enough on pages for four images instead of one."""
STEPS = 9
"""The largest size of a tile on a page; the smallest is 0."""


@dataclass(frozen=True)
class TileSheet:
    """The picture of all tiles of a model, in rows from the top left."""

    link: Link
    columns: int
    rows: int
    images: int
    """Of each tile: 1, or 4 in a square."""

    @property
    def side(self) -> int:
        """Of a tile, in pixels."""
        return SIDE * math.isqrt(self.images)

    @property
    def width(self) -> int:
        """In pixels."""
        return self.side * self.columns

    @property
    def height(self) -> int:
        """In pixels."""
        return self.side * self.rows

    def at(self, number: int) -> tuple[int, int]:
        """The left and the upper edge of the tile of this number, counted from 0, in pixels."""
        return self.side * (number % self.columns), self.side * (number // self.columns)


def tile_sheet(link: Link, heads: int, heads_of_layer: int) -> TileSheet:
    """The sheet of a model, about as wide as it is high."""
    columns = math.ceil(math.sqrt(heads))
    images = 4 if heads_of_layer <= FEW else 1
    return TileSheet(link, columns, math.ceil(heads / columns), images)


def draw(sheet: TileSheet, pictures: Sequence[Sequence[Path]]) -> bytes:
    """The sheet as WebP, of the pictures of each head, the first of which is its top image."""
    canvas = Image.new("RGB", (sheet.width, sheet.height), "#888")
    across = math.isqrt(sheet.images)
    squares: dict[Path, Image.Image] = {}
    for number, paths in enumerate(pictures):
        left, top = sheet.at(number)
        for position, path in enumerate(paths[: sheet.images]):
            if path not in squares:
                squares[path] = square(path, SIDE).resize((SIDE, SIDE))
            corner = (left + SIDE * (position % across), top + SIDE * (position // across))
            canvas.paste(squares[path], corner)
    out = io.BytesIO()
    canvas.save(out, "WEBP", quality=72, method=4)
    return out.getvalue()


def size(share: float, largest: float) -> int:
    """The size of a tile on a page, 0 to STEPS: its area grows with the share of variance."""
    return round(STEPS * math.sqrt(max(share, 0.0) / largest)) if largest > 0 else 0
