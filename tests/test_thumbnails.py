"""Small pictures show the square that a model sees."""

import io

import numpy as np
import pytest
from PIL import Image

from clipheads.bundle.errors import BundleError
from headatlas.pictures.thumbnails import SIDE, thumbnail


@pytest.mark.parametrize(("width", "height"), [(600, 300), (300, 600)])
def test_a_thumbnail_is_the_centred_square(tmp_path, width, height):
    # Green in the centred square, red outside it: none of the red may be left.
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = 255
    top, left = (height - 300) // 2, (width - 300) // 2
    pixels[top : top + 300, left : left + 300] = (0, 255, 0)
    path = tmp_path / "picture.webp"
    Image.fromarray(pixels).save(path, lossless=True)
    small = np.asarray(Image.open(io.BytesIO(thumbnail(path))).convert("RGB")).astype(int)
    assert small.shape == (SIDE, SIDE, 3)
    assert (small[..., 1] - small[..., 0]).min() > 200


def test_a_small_picture_is_not_blown_up(tmp_path):
    path = tmp_path / "small.webp"
    Image.new("RGB", (64, 80)).save(path)
    assert Image.open(io.BytesIO(thumbnail(path))).size == (64, 64)


def test_a_broken_picture_is_one_line(tmp_path):
    path = tmp_path / "broken.webp"
    path.write_bytes(b"no picture")
    with pytest.raises(BundleError, match="not a readable picture"):
        thumbnail(path)
