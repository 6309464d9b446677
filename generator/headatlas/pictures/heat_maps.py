"""Heat maps as tiny transparent PNGs, a pixel for each patch, to be stretched over a photograph."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

WARM = (232, 62, 18)
"""Colour of positive values: towards the text (or the first text of a contrast)."""
COOL = (24, 104, 232)
"""Colour of negative values: away from the text (or towards the second one)."""
OPAQUE = 184
"""Alpha of the value that is full colour; below 255 so that the photograph stays visible."""
ALPHA_STEP = 8
"""Alphas are multiples of this: no eye sees the difference, and the files get a third smaller."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def heatmap_png(grid: NDArray[np.floating], scale: float | None = None) -> bytes:
    """An RGBA PNG of rows × columns pixels.

    Alpha is |value| / scale, where the scale is max |value| of this map unless maps that are shown
    together share a larger one; the colour is warm above zero and cool below. A map that is zero
    throughout is fully transparent.

    Raises ValueError if the grid is not two-dimensional or not finite.
    """
    values = np.asarray(grid, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"a heat map is a finite grid [rows, columns], not {values.shape}")
    rows, columns = values.shape
    full = peak(values) if scale is None else scale
    strength = np.minimum(np.abs(values) / full, 1) if full > 0 else np.zeros_like(values)
    pixels = np.empty((rows, columns, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(
        (values < 0)[..., None], np.array(COOL, np.uint8), np.array(WARM, np.uint8)
    )
    pixels[..., 3] = np.round(strength * OPAQUE / ALPHA_STEP) * ALPHA_STEP
    scanlines = b"".join(b"\x00" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(scanlines, 9))
        + _chunk(b"IEND", b"")
    )


def heatmap_uri(grid: NDArray[np.floating], scale: float | None = None) -> str:
    """The PNG of `heatmap_png` as a `data:` URI, for the page itself."""
    return "data:image/png;base64," + base64.b64encode(heatmap_png(grid, scale)).decode("ascii")


def peak(grid: NDArray[np.floating]) -> float:
    """The largest absolute value."""
    return float(np.abs(np.asarray(grid, dtype=np.float64)).max(initial=0.0))


def place(grid: NDArray[np.floating]) -> str:
    """Where the map is strongest, in words: the text that stands for the picture.

    >>> place(np.array([[0.0, 0.0, 3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
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
