"""The pictures of the demo world: Microsoft's Fluent Emoji 3D with names and categories.

`data/demo/sprites.zip` holds `objects.json` (name, category, file), one 256 × 256 WebP with
transparency per object, and the licences; `make_sprites` makes it.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipheads.bundle.disk.data_files import data_file


@dataclass(frozen=True)
class DemoObject:
    """An object of the demo world, such as `DemoObject("dog", "mammal")`."""

    name: str
    category: str


class Sprites:
    """All objects with their pictures, resized on demand and kept.

    Args:
        path: the sprite file; the committed one by default.
    """

    def __init__(self, path: Path | None = None) -> None:
        with zipfile.ZipFile(path or data_file("demo", "sprites.zip")) as archive:
            entries = json.loads(archive.read("objects.json"))
            self._webp = [archive.read(entry["file"]) for entry in entries]
        self.objects = tuple(DemoObject(entry["name"], entry["category"]) for entry in entries)
        self._resized: dict[tuple[int, int], NDArray[np.float32]] = {}

    def picture(self, index: int, side: int) -> NDArray[np.float32]:
        """Return object `index` as premultiplied RGBA.

        Returns:
            Array [side, side, 4] in 0…1; the colours are already multiplied by alpha.
        """
        key = (index, side)
        if key not in self._resized:
            self._resized[key] = picture_of(self._webp[index], side)
        return self._resized[key]


@cache
def default_sprites() -> Sprites:
    """Return the committed sprite file, read once."""
    return Sprites()


def picture_of(webp: bytes, side: int) -> NDArray[np.float32]:
    """Decode and resize a picture to premultiplied RGBA, [side, side, 4] in 0…1."""
    rgba = Image.open(io.BytesIO(webp)).convert("RGBA")
    pixels = np.asarray(rgba, dtype=np.float32) / np.float32(255)
    colours = pixels[..., :3] * pixels[..., 3:]
    return _resize(np.concatenate((colours, pixels[..., 3:]), axis=-1), side)


def _resize(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Resize premultiplied RGBA channel by channel, so that edges do not bleed."""
    resized = [
        np.asarray(Image.fromarray(pixels[..., c]).resize((side, side), Image.Resampling.LANCZOS))
        for c in range(4)
    ]
    return np.stack(resized, axis=-1, dtype=np.float32).clip(0, 1)
