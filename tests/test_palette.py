"""Properties get distinct colours on which text can be read."""

import pytest

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


def test_the_most_frequent_property_comes_first_and_ties_go_by_name():
    assert assign(["b", "a", "c", "c"]) == {"c": 0, "a": 1, "b": 2}


def test_every_property_can_be_filtered_even_beyond_the_colours():
    sheet = stylesheet(COLOURS + 3)
    assert f".f{COLOURS + 2}:checked" in sheet
    assert f".p{COLOURS} " not in sheet
    assert ":has" not in stylesheet(0)
