"""Transforms of pictures: each removes or adds a single thing and keeps the rest.

A transform is a pure function of a picture and a seed. It works on the square of RGB values from
0 to 1 that a model sees before normalisation, so that it is the same for every model; lengths are
fractions of the picture's side. All randomness comes from the seed.

>>> picture = torch.rand(3, 64, 64)
>>> same = mirror(mirror(picture, seed=0), seed=0)
>>> torch.equal(same, picture)
True
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from clipheads.gallery.lettering import ink

VERSION = 1
"""Raised when a transform gives another result for the same picture, or has another name."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness Y of Rec. 601."""

BLUR = 1 / 40
"""Standard deviation of the Gaussian, as a fraction of the side."""

CELLS = 4
"""Number of rows, and of columns, of shuffled patches."""

ZOOM = 1.5
SHIFT = 1 / 4
"""Of the side."""
DIM = 0.5

CARD = (0.64, 0.86)
"""Top and bottom of the white card, as fractions of the side."""
MARGIN = 0.1
"""Of the card's height, around the word."""

PRINTED = "word"
"""Name of the transform that prints words."""

Transform = Callable[[Tensor, int], Tensor]
"""A picture [3, S, S] with values from 0 to 1, and a seed, to a picture of the same kind."""


@dataclass(frozen=True)
class NamedTransform:
    """A transform with its names."""

    name: str
    """In records and addresses of columns."""
    title: str
    """On pages, after "moved by"."""
    group: str
    """What all transforms of the group change."""
    apply: Transform


def grey(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Remove colour: every channel becomes the brightness Y."""
    return _luma(picture).expand(3, -1, -1).clone()


def rotate_hue(picture: Tensor, seed: int) -> Tensor:
    """Rotate all hues by one angle between 90° and 270°, and keep every pixel's brightness Y.

    The angle is that in the plane of R − Y and B − Y. A colour that would leave the RGB cube is
    moved along the line to its grey, which keeps hue and brightness and lowers saturation.
    """
    angle = math.radians(float(np.random.default_rng(seed).uniform(90, 270)))
    luma = _luma(picture)
    red, _, blue = picture - luma
    red, blue = (
        math.cos(angle) * red - math.sin(angle) * blue,
        math.sin(angle) * red + math.cos(angle) * blue,
    )
    # Brightness stays if the weighted sum of the differences from it is zero.
    green = -(LUMA[0] * red + LUMA[2] * blue) / LUMA[1]
    chroma = torch.stack([red, green, blue])
    room = torch.where(chroma > 0, 1 - luma, luma)
    fits = (room / chroma.abs().clamp(min=1e-12)).amin(dim=0, keepdim=True).clamp(max=1)
    return (luma + fits * chroma).clamp(0, 1)


def invert(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Turn light into dark and every colour into its complement."""
    return 1 - picture


def dim(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Halve every value."""
    return DIM * picture


def blur(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Blur with a Gaussian whose standard deviation is a fortieth of the side."""
    deviation = BLUR * picture.shape[-1]
    reach = math.ceil(3 * deviation)
    offsets = torch.arange(-reach, reach + 1, dtype=picture.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    padded = pad(picture[:, None], (reach, reach, reach, reach), mode="replicate")
    rows = conv2d(padded, kernel.view(1, 1, 1, -1))
    return conv2d(rows, kernel.view(1, 1, -1, 1))[:, 0].clamp(0, 1)


def edges(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Keep edges of brightness alone, as dark lines on white (Sobel's operator)."""
    luma = pad(_luma(picture)[None], (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
    operators = torch.stack([across, across.T])[:, None].to(picture.dtype)
    strength = conv2d(luma, operators).square().sum(dim=1).sqrt()
    return (1 - 2 * strength).clamp(0, 1).expand(3, -1, -1).clone()


def shuffle_patches(picture: Tensor, seed: int) -> Tensor:
    """Exchange the sixteen patches of a 4 × 4 grid at random.

    Rows and columns that are left over at the lower and right edge stay unchanged.
    """
    side = picture.shape[-1] // CELLS
    order = torch.from_numpy(np.random.default_rng(seed).permutation(CELLS**2))
    whole = picture[:, : CELLS * side, : CELLS * side]
    patches = whole.reshape(3, CELLS, side, CELLS, side).permute(1, 3, 0, 2, 4).flatten(0, 1)
    shuffled = torch.unflatten(patches[order], 0, (CELLS, CELLS)).permute(2, 0, 3, 1, 4)
    result = picture.clone()
    result[:, : CELLS * side, : CELLS * side] = shuffled.reshape(whole.shape)
    return result


def mirror(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Exchange left and right."""
    return picture.flip(-1)


def upside_down(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Exchange top and bottom."""
    return picture.flip(-2)


def zoom(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Enlarge the middle one and a half times; what lies outside is lost."""
    side = picture.shape[-1]
    kept = round(side / ZOOM)
    first = (side - kept) // 2
    middle = picture[None, :, first : first + kept, first : first + kept]
    return interpolate(middle, (side, side), mode="bilinear", align_corners=False)[0]


def shift(picture: Tensor, seed: int) -> Tensor:
    """Move the picture by a quarter of its side in one of four directions.

    What leaves at an edge re-enters at the opposite edge, so that nothing is lost or invented.
    """
    direction = int(np.random.default_rng(seed).integers(4))
    step = round(SHIFT * picture.shape[-1]) * (1 if direction % 2 else -1)
    return picture.roll(step, dims=-1 if direction < 2 else -2)


def white_card(picture: Tensor, seed: int) -> Tensor:  # noqa: ARG001
    """Lay a white card over the lower part: the control for a printed word."""
    top, bottom = _card(picture)
    result = picture.clone()
    result[:, top:bottom] = 1
    return result


def print_word(word: str) -> Transform:
    """Return the transform that prints `word` in black on the card of `white_card`."""

    def apply(picture: Tensor, seed: int) -> Tensor:
        top, bottom = _card(picture)
        side = picture.shape[-1]
        result = white_card(picture, seed)
        # A word that touched the rim of its card would be hard to read.
        drawn = torch.from_numpy(ink(word, side, bottom - top, margin=MARGIN))
        result[:, top:bottom] -= drawn
        return result

    return apply


def word_of(words: Sequence[str], seed: int) -> int:
    """Return the index of the word that is printed on the picture of this seed: they take turns."""
    return seed % len(words)


def all_transforms(words: Sequence[str]) -> list[NamedTransform]:
    """Return all transforms in the order of pages; `words` are printed in turn."""
    printed = [print_word(word) for word in words]

    def print_words(picture: Tensor, seed: int) -> Tensor:
        return printed[word_of(words, seed)](picture, seed)

    return [
        NamedTransform("grey", "removing colour", "colour", grey),
        NamedTransform("hue", "rotating the hue", "colour", rotate_hue),
        NamedTransform("invert", "inverting", "light", invert),
        NamedTransform("dim", "dimming", "light", dim),
        NamedTransform("blur", "blurring", "detail", blur),
        NamedTransform("edges", "keeping edges only", "detail", edges),
        NamedTransform("shuffle", "shuffling patches", "layout", shuffle_patches),
        NamedTransform("shift", "shifting", "layout", shift),
        NamedTransform("zoom", "zooming in", "layout", zoom),
        NamedTransform("mirror", "mirroring", "layout", mirror),
        NamedTransform("upside-down", "turning upside down", "layout", upside_down),
        NamedTransform("card", "a blank card", "words", white_card),
        NamedTransform(PRINTED, "a printed word", "words", print_words),
    ]


def _card(picture: Tensor) -> tuple[int, int]:
    """Return the first row of the card and the row below it."""
    top, bottom = (round(part * picture.shape[-2]) for part in CARD)
    return top, bottom


def _luma(picture: Tensor) -> Tensor:
    """Return the brightness Y, [1, H, W]."""
    weights = torch.tensor(LUMA, dtype=picture.dtype).view(3, 1, 1)
    return (weights * picture).sum(dim=0, keepdim=True)
