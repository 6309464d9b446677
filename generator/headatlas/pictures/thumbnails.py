"""Small pictures: the centred square of a gallery image, which is what a model sees of it."""

import io
from pathlib import Path

from PIL import Image

from clipheads.bundle.errors import BundleError

SIDE = 240
"""Pixels: sharp at the 120 CSS pixels of most places on screens with twice the density."""


def thumbnail(path: Path) -> bytes:
    """The centred square of the image at `path`, at most SIDE pixels wide, as WebP."""
    out = io.BytesIO()
    square(path, SIDE).save(out, "WEBP", quality=78, method=2)
    return out.getvalue()


def square(path: Path, largest: int) -> Image.Image:
    """The centred square of the image at `path`, at most `largest` pixels wide."""
    try:
        # Only the format that a build writes: other readers of Pillow start other programs.
        with Image.open(path, formats=["WEBP"]) as file:
            image = file.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BundleError(
            f"{path}: not a readable picture ({error}); rebuild the gallery with `head-atlas build`"
        ) from None
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    small = min(side, largest)
    return image.resize(
        (small, small), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
