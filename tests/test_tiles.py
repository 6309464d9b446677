"""A model's grid shows what its heads respond to, how much they write, and any of their numbers."""

import html.parser
import io
import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from site_pages import pages_of
from synthetic_bundle import write_bundle

from headatlas.atlas_reader import read_atlas
from headatlas.pages import model
from headatlas.pictures.colourings import LETTERS, STEPS, ink, shade, steps, stylesheet
from headatlas.pictures.palette import contrast
from headatlas.pictures.tiles import FEW, draw, size, tile_sheet
from headatlas.render import render
from headatlas.urls import Link

SHEET = Link("m/tiles.webp")
COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "white": (250, 250, 250)}


@pytest.fixture
def pictures(tmp_path):
    for name, colour in COLOURS.items():
        Image.new("RGB", (120, 90), colour).save(tmp_path / f"{name}.webp", lossless=True)
    return tmp_path


def colour_at(image, x, y):
    pixel = np.asarray(image).astype(int)[y, x]
    return min(COLOURS, key=lambda name: abs(pixel - COLOURS[name]).sum())


def test_each_tile_shows_the_top_images_of_its_head(pictures):
    names = list(COLOURS)
    heads = [names[turn:] + names[:turn] for turn in (0, 1, 2)]
    sheet = tile_sheet(SHEET, heads=3, heads_of_layer=3)
    paths = [[pictures / f"{name}.webp" for name in head] for head in heads]
    image = Image.open(io.BytesIO(draw(sheet, paths))).convert("RGB")
    assert image.size == (sheet.width, sheet.height)
    for number, head in enumerate(heads):
        left, top = sheet.at(number)
        quarter = sheet.side // 4
        seen = [
            colour_at(image, left + quarter * x, top + quarter * y) for y in (1, 3) for x in (1, 3)
        ]
        assert seen == head


def test_where_layers_are_wide_a_tile_is_the_top_image_alone(pictures):
    sheet = tile_sheet(SHEET, heads=2, heads_of_layer=FEW + 1)
    paths = [[pictures / "red.webp", pictures / "blue.webp"], [pictures / "green.webp"]]
    image = Image.open(io.BytesIO(draw(sheet, paths))).convert("RGB")
    centres = [
        (left + sheet.side // 2, top + sheet.side // 2) for left, top in map(sheet.at, (0, 1))
    ]
    assert [colour_at(image, x, y) for x, y in centres] == ["red", "green"]


def test_the_tiles_of_a_large_model_are_one_light_picture(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((128, 128), Image.Resampling.BICUBIC).save(tmp_path / "a.webp")
    sheet = tile_sheet(SHEET, heads=384, heads_of_layer=16)
    assert len(draw(sheet, [[tmp_path / "a.webp"]] * 384)) < 1_500_000


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_tiles_are_sized_by_share_and_the_largest_is_full(shares):
    sizes = [size(share, max(shares)) for share in shares]
    assert all(0 <= step <= 9 for step in sizes)
    assert [x for _, x in sorted(zip(shares, sizes, strict=True))] == sorted(sizes)
    assert max(sizes) == (9 if max(shares) > 0 else 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_on_every_shade_and_shades_differ(scheme):
    shades = [shade(scheme, step) for step in range(STEPS + 1)]
    assert min(contrast(ink(scheme, n), colour) for n, colour in enumerate(shades)) >= 4.5
    steps_apart = [contrast(a, b) for a, b in itertools.pairwise(shades)]
    assert min(steps_apart) > 1.1


@given(st.lists(st.none() | st.floats(-100, 100), min_size=1, max_size=30))
def test_shades_have_the_order_of_the_values(values):
    if all(value is None for value in values):
        return
    pairs = [
        (value, step)
        for value, step in zip(values, steps(values), strict=True)
        if value is not None
    ]
    ordered = [step for _, step in sorted(pairs)]
    assert ordered == sorted(ordered)
    assert all(0 <= step <= STEPS for step in ordered)


class Cells(html.parser.HTMLParser):
    """The classes of the grid's cells and the options by which they can be coloured."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.options = [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note the cells and the options."""
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        if tag == "td" and "head" in classes:
            self.cells.append(classes)
        if tag == "option" and given.get("value"):
            self.options[given["value"]] = classes[0]


def test_the_grid_can_be_coloured_by_every_metric(tmp_path):
    (page,) = pages_of(read_atlas(write_bundle(tmp_path, images=6)), model)
    view = page.content.model
    cells = Cells(render(page))
    assert list(cells.options) == [metric.key for metric in view.metrics]
    # The grid has the last layer on top; heads are numbered from the first.
    numbers = [head.number for _, heads in view.rows for head in heads]
    sheet = stylesheet(len(view.metrics))
    for metric in view.metrics:
        prefix = cells.options[metric.key]
        for number, classes in zip(numbers, cells.cells, strict=True):
            found = [name for name in classes if re.fullmatch(prefix + r"\d", name)]
            step = steps(metric.rounded)[number]
            assert found == ([] if step is None else [f"{prefix}{step}"])
            assert all(f".atlas:has(.{prefix}:checked) .{name} " in sheet for name in found)


def test_a_model_with_more_metrics_than_letters_is_coloured_by_the_first(tmp_path):
    assert f".k{LETTERS[-1]}" in stylesheet(len(LETTERS) + 5)
