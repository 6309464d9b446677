"""Rows of numbers for a browser: int16 with one float32 scale for each row, behind a header.

    0   b"HATL", uint32 version, uint32 a, b, c, uint32 m, 8 bytes of zero
    32  float32 [m, a, b]   columns; the first is the scale of the row
        int16   [a, b, c]   rows, to be multiplied by their scale

All is little-endian, and every part begins where its numbers may lie; see docs/search-format.md.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipheads.browser.quantise import quantise

MAGIC = b"HATL"
VERSION = 1
_HEADER = struct.Struct("<4s5I8x")


def write_rows(path: Path, rows: NDArray[np.floating], *columns: NDArray[np.floating]) -> None:
    """Write rows [a, b, c], and further numbers of each row as columns [a, b]."""
    integers, scales = quantise(rows, np.int16)
    with path.open("wb") as file:
        file.write(_HEADER.pack(MAGIC, VERSION, *rows.shape, 1 + len(columns)))
        for column in (scales, *columns):
            file.write(np.ascontiguousarray(column, "<f4").tobytes())
        file.write(np.ascontiguousarray(integers, "<i2").tobytes())


def read_rows(path: Path) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Return the rows [a, b, c], and the columns [a, b] behind the scale.

    Raises:
        ValueError: if the file is not one of `write_rows`, or not whole.
    """
    content = path.read_bytes()
    if len(content) < _HEADER.size or content[:4] != MAGIC:
        raise ValueError(f"{path}: not a file of rows: it does not begin with {MAGIC.decode()}")
    _, version, a, b, c, m = _HEADER.unpack_from(content)
    expected = _HEADER.size + 4 * m * a * b + 2 * a * b * c
    if version != VERSION or len(content) != expected:
        raise ValueError(
            f"{path}: version {version} of {len(content)} bytes, expected version {VERSION} of "
            f"{expected} bytes for [{a}, {b}, {c}] with {m} columns"
        )
    columns = np.frombuffer(content, "<f4", m * a * b, _HEADER.size).reshape(m, a, b)
    integers = np.frombuffer(content, "<i2", a * b * c, _HEADER.size + columns.nbytes)
    return integers.reshape(a, b, c) * columns[0][..., None], list(columns[1:])


def rounded(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows [..., c] as a reader of the file gets them."""
    integers, scales = quantise(rows, np.int16)
    return integers * scales[..., None]
