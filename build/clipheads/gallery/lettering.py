"""A word as ink on a card, in the font that comes with Pillow."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


@lru_cache(maxsize=64)
def ink(word: str, width: int, height: int, *, margin: float) -> NDArray[np.float32]:
    """Draw `word` in the middle of a card and as large as it allows, [height, width]; 1 is ink.

    Args:
        word: a printable word, see `unprintable`.
        width: of the card, in pixels.
        height: of the card, in pixels.
        margin: what stays free at every edge, as a fraction of the height.
    """
    free = 2 * margin * height
    # Drawn large first: the size that fits follows from the proportions.
    left, upper, right, lower = ImageFont.load_default(100).getbbox(word)
    font = ImageFont.load_default(
        100 * min((width - free) / (right - left), (height - free) / (lower - upper))
    )
    left, upper, right, lower = font.getbbox(word)
    card = Image.new("L", (width, height), 0)
    corner = (width - left - right) / 2, (height - upper - lower) / 2
    ImageDraw.Draw(card).text(corner, word, fill=255, font=font)
    return np.asarray(card).astype(np.float32) / np.float32(255)


def unprintable(word: str) -> str:
    """Return the first character of `word` that the font cannot print; empty if there is none."""
    font = ImageFont.load_default(20)
    # A font draws the same sign for every character that it lacks.
    missing = bytes(font.getmask("\uffff"))
    signs = (sign for sign in word if not sign.isspace())
    return next((sign for sign in signs if bytes(font.getmask(sign)) == missing), "")
