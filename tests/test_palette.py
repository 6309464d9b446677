"""Properties get distinct colours on which text can be read."""

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from headatlas.pictures.palette import COLOURS, INK, assign, contrast, fill, stylesheet, swatch


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_on_every_fill(scheme):
    assert min(contrast(fill(scheme, n), INK[scheme]) for n in range(COLOURS)) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_two_colours_are_alike(scheme):
    def rgb(colour):
        return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]

    for of in (fill, swatch):
        colours = [rgb(of(scheme, n)) for n in range(COLOURS)]
        for n, one in enumerate(colours):
            for other in colours[:n]:
                assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) >= 14


VISION = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.01182, 0.04294, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}
"""From linear RGB to linear RGB as it is seen: Machado, Oliveira and Fernandes (2009), table 1."""
FREQUENT = 8


def seen(colour, vision):
    """A colour in CIELAB, as a reader with this vision sees it."""
    encoded = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear = np.clip(VISION[vision] @ linear, 0, 1)
    again = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(again[None, None])[0, 0]


def test_colours_are_seen_as_colour_blind_readers_do():
    # Red and green of one lightness: far apart for most, close for deuteranopes.
    red, green = "#c05a4c", "#6f8a2f"
    apart = {v: deltaE_ciede2000(seen(red, v), seen(green, v)) for v in VISION}
    assert apart["normal"] > 40
    assert apart["deuteranopia"] < 0.4 * apart["normal"]


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_frequent_properties_stay_apart_for_every_vision(scheme, vision):
    fills = [seen(fill(scheme, n), vision) for n in range(FREQUENT)]
    assert min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(fills, 2)) > 7


def test_the_most_frequent_property_comes_first_and_ties_go_by_name():
    assert assign(["b", "a", "c", "c"]) == {"c": 0, "a": 1, "b": 2}


def test_every_property_can_be_filtered_even_beyond_the_colours():
    sheet = stylesheet(COLOURS + 3)
    assert f".f{COLOURS + 2}:checked" in sheet
    assert f".p{COLOURS} " not in sheet
    assert ":has" not in stylesheet(0)
