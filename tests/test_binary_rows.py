"""A file of rows has the documented bytes, comes back, and is refused if it is damaged."""

import struct
from pathlib import Path

import numpy as np
import pytest

from clipheads.browser.binary_rows import read_rows, rounded, write_rows


def _rows() -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((3, 2, 5)).astype(np.float32)
    rows[1, 1] = 0
    return rows


def test_the_bytes_are_the_documented_ones(tmp_path: Path) -> None:
    rows = np.array([[[1.0, -0.5], [0.0, 0.0], [0.25, 3.0]]])
    norms = np.array([[7.0, 8.0, 9.0]])
    write_rows(tmp_path / "a.bin", rows, norms)
    content = (tmp_path / "a.bin").read_bytes()
    assert content[:4] == b"HATL"
    assert struct.unpack("<5I", content[4:24]) == (1, 1, 3, 2, 2)
    assert content[24:32] == bytes(8)
    scales = struct.unpack("<3f", content[32:44])
    assert scales == pytest.approx((1 / 32767, 0, 3 / 32767))
    assert struct.unpack("<3f", content[44:56]) == (7, 8, 9)
    assert struct.unpack("<6h", content[56:]) == (32767, -16384, 0, 0, 2731, 32767)


def test_rows_and_columns_come_back(tmp_path: Path) -> None:
    rows, columns = _rows(), np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    write_rows(tmp_path / "a.bin", rows, *columns)
    found, more = read_rows(tmp_path / "a.bin")
    np.testing.assert_array_equal(found, rounded(rows))
    np.testing.assert_array_equal(more, columns)
    largest = np.abs(rows).max(axis=-1, keepdims=True)
    assert (np.abs(found - rows) <= 1.6e-5 * largest).all()


def test_the_same_rows_give_the_same_bytes_whatever_their_layout(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.bin", _rows())
    write_rows(tmp_path / "b.bin", np.asfortranarray(_rows()))
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"PNG " + content[4:], "not a file of rows"),
        (lambda content: content[:20], "not a file of rows"),
        (lambda content: content[:-1], "bytes, expected version 1"),
        (lambda content: content[:4] + b"\2" + content[5:], "version 2"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage, reason: str) -> None:  # type: ignore[no-untyped-def]
    write_rows(tmp_path / "a.bin", _rows())
    (tmp_path / "a.bin").write_bytes(damage((tmp_path / "a.bin").read_bytes()))
    with pytest.raises(ValueError, match=reason):
        read_rows(tmp_path / "a.bin")
