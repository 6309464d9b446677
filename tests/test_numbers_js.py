"""The search page writes numbers and addresses as all other pages do."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from headatlas import urls
from headatlas.formats import decimal, percent
from headatlas.pictures.heat_maps import strongest_region
from headatlas.template_files import templates_folder

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

VALUES = [0.0, 0.004, -0.004, 0.0051, -0.0312, 0.5, -1.0, 12.345678, -1234.5671, 1e-9, -3e-7]
SHAPES = [(1, 1), (3, 3), (2, 5), (7, 7)]


def in_node(module: str, expression: str) -> object:
    """Return what an expression over a module of the search page gives, `m` and `values` in it."""
    path = (templates_folder() / "static" / "search" / module).as_uri()
    code = f"""
        const m = await import({json.dumps(path)});
        const values = {json.dumps(VALUES)};
        console.log(JSON.stringify({expression}));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_decimals_are_the_same(digits: int) -> None:
    written = in_node("numbers.js", f"values.map((value) => m.decimal(value, {digits}))")
    assert written == [decimal(value, digits) for value in VALUES]


def test_percentages_are_the_same() -> None:
    assert in_node("numbers.js", "values.map(m.percent)") == [percent(value) for value in VALUES]


def test_a_sign_stands_before_all_but_zero() -> None:
    signed = in_node("numbers.js", "values.map((value) => m.signed(value, 2))")
    plain = [decimal(value, 2) for value in VALUES]
    assert signed == [
        f"+{text}" if value > 0 and float(text) != 0 else text
        for value, text in zip(VALUES, plain, strict=True)
    ]


def test_regions_of_heat_maps_are_named_as_on_other_pages() -> None:
    grids = [
        np.eye(1, rows * columns, n).reshape(rows, columns)
        for rows, columns in SHAPES
        for n in range(rows * columns)
    ]
    given = json.dumps([[grid.ravel().tolist(), *grid.shape] for grid in grids])
    found = in_node("heat-map.js", f"{given}.map((grid) => m.strongestRegion(...grid))")
    assert found == [strongest_region(grid) for grid in grids]
    assert in_node("heat-map.js", "m.strongestRegion([0, 0], 1, 2)") == "nowhere"


def test_addresses_are_those_of_the_other_pages() -> None:
    model, odd = "ViT-B-32_openai", "a b&c"
    found = in_node(
        "site-addresses.js",
        f"""[
            m.headPage("{model}", "L1.H2"), m.propertyPage("{model}", "colour"),
            m.imagePage("{model}", "{odd}"), m.picture("{odd}"), m.smallPicture("{odd}"),
        ]""",
    )
    links = [
        urls.head(model, "L1.H2"),
        urls.property_(model, "colour"),
        urls.image(model, odd),
        urls.picture(odd),
        urls.small_picture(odd),
    ]
    assert found == [urls.relative(urls.SEARCH, link) for link in links]
