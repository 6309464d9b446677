"""Heat maps as tiny transparent images, a pixel per patch, to be stretched over a photograph."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WARM = (232, 62, 18)
"""Colour of positive values: towards the text (or the first text of a contrast)."""
COOL = (24, 104, 232)
"""Colour of negative values: away from the text (or towards the second one)."""
OPAQUE = 184
"""Alpha of the value that is full colour; below 255 so that the photograph stays visible."""
ALPHA_STEP = 8
"""Alphas are multiples of this: no eye sees the difference, and the files get smaller."""


def heat_map_webp(
    grid: NDArray[np.floating], scale: float | None = None, noise: float = 0.0
) -> bytes:
    """A heat map as a lossless WebP of rows × columns pixels, which is smaller than a PNG.

    Alpha is |value| / scale, where the scale is max |value| of this map unless maps that are shown
    together share a larger one; the colour is warm above zero and cool below. A map that is zero
    throughout is fully transparent, and so is every patch whose |value| lies below `noise`.

    Raises ValueError if the grid is not two-dimensional or not finite.
    """
    values = np.asarray(grid, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"a heat map is a finite grid [rows, columns], not {values.shape}")
    rows, columns = values.shape
    full = peak(values) if scale is None else scale
    strength = np.minimum(np.abs(values) / full, 1) if full > 0 else np.zeros_like(values)
    strength[np.abs(values) < noise] = 0
    pixels = np.empty((rows, columns, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(
        (values < 0)[..., None], np.array(COOL, np.uint8), np.array(WARM, np.uint8)
    )
    pixels[..., 3] = np.round(strength * OPAQUE / ALPHA_STEP) * ALPHA_STEP
    file = io.BytesIO()
    # Without `exact` the colour of fully transparent pixels is lost, and with it the sign.
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=100, exact=True)
    return file.getvalue()


def heat_map_uri(grid: NDArray[np.floating], scale: float | None = None, noise: float = 0.0) -> str:
    """The image of `heat_map_webp` as a `data:` URI, for the page itself."""
    webp = heat_map_webp(grid, scale, noise)
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")


def peak(grid: NDArray[np.floating]) -> float:
    """The largest absolute value."""
    return float(np.abs(np.asarray(grid, dtype=np.float64)).max(initial=0.0))


def strongest_region(grid: NDArray[np.floating]) -> str:
    """Where the map is strongest, in words: the text that stands for the picture.

    >>> strongest_region(np.array([[0.0, 0.0, 3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    'top right'
    """
    values = np.asarray(grid, dtype=np.float64)
    if not values.any():
        return "nowhere"
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    vertical = ("top", "middle", "bottom")[int(row) * 3 // values.shape[0]]
    horizontal = ("left", "centre", "right")[int(column) * 3 // values.shape[1]]
    if (vertical, horizontal) == ("middle", "centre"):
        return "centre"
    return f"{vertical} {horizontal}"
