"""A heat map is a tiny image whose colour is the sign and whose opacity is the size."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from headatlas.pictures.heat_maps import (
    COOL,
    OPAQUE,
    WARM,
    heat_map_uri,
    heat_map_webp,
    peak,
    strongest_region,
)
from headatlas.template_files import atlas_css

grids = arrays(
    np.float64,
    st.tuples(st.integers(1, 16), st.integers(1, 16)),
    elements=st.floats(-10, 10, allow_subnormal=False),
)


def pixels(grid):
    image = Image.open(io.BytesIO(heat_map_webp(grid)))
    assert image.mode == "RGBA"
    return np.asarray(image).astype(int)


@given(grid=grids)
def test_sign_is_colour_and_size_is_opacity(grid):
    rgba = pixels(grid)
    assert rgba.shape == (*grid.shape, 4)
    assert (rgba[grid < 0][:, :3] == COOL).all()
    assert (rgba[grid > 0][:, :3] == WARM).all()
    largest = np.abs(grid).max()
    wanted = np.abs(grid) / largest * OPAQUE if largest > 0 else np.zeros(grid.shape)
    assert np.abs(rgba[..., 3] - wanted).max() <= 4.001


def test_maps_that_share_a_scale_keep_their_proportion():
    strong, weak = np.array([[1.0, -2.0]]), np.array([[0.5, 0.0]])

    def alphas(grid):
        image = Image.open(io.BytesIO(heat_map_webp(grid, scale=2.0)))
        return np.asarray(image)[..., 3].astype(int).tolist()

    assert alphas(strong) == [[OPAQUE // 2 + 4, OPAQUE]]  # rounded to a multiple of 8
    assert alphas(weak) == [[48, 0]]


@given(grid=grids, factor=st.floats(0.01, 100))
def test_a_map_is_relative_to_its_own_largest_value(grid, factor):
    assert np.abs(pixels(grid) - pixels(grid * factor))[..., 3].max() <= 8


def test_same_grid_same_bytes_and_a_size_that_fits_a_page():
    grid = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float16)
    assert heat_map_webp(grid) == heat_map_webp(grid.copy())
    assert len(heat_map_webp(grid)) < 300
    kind, _, data = heat_map_uri(grid).partition(",")
    assert kind == "data:image/webp;base64"
    assert base64.b64decode(data) == heat_map_webp(grid)


@pytest.mark.parametrize("grid", [np.zeros(4), np.full((2, 2), np.nan)])
def test_what_is_not_a_finite_grid_is_refused(grid):
    with pytest.raises(ValueError, match="finite grid"):
        heat_map_webp(grid)


def test_the_region_of_the_largest_value_is_said_in_words():
    grid = np.zeros((9, 6))
    assert strongest_region(grid) == "nowhere"
    assert peak(grid) == 0
    grid[8, 0] = -4
    grid[0, 5] = 2
    assert strongest_region(grid) == "top right"
    assert peak(grid) == 4
    grid[4, 3] = 3
    assert strongest_region(grid) == "centre"


def test_swatches_in_keys_have_the_colours_of_the_maps():
    css = atlas_css().decode()
    for name, colour in (("warm", WARM), ("cool", COOL)):
        assert f"--{name}-fill: #{bytes(colour).hex()};" in css
