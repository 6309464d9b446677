"""The whole distribution of a head: drawn as a histogram, and on its page as in its JSON."""

import html
import json
import re
from itertools import pairwise
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_bundle import edit_json, write_bundle
from synthetic_spread import distribution_of

from clipheads.bundle.head import HeadRecord
from headatlas.formats import decimal, percent
from headatlas.pictures.histogram import histogram
from headatlas.publish.check import check_site
from headatlas.site import generate_site

pytestmark = pytest.mark.usefixtures("few_published")

BAR = re.compile(r"M([\d.]+) 100V([\d.]+)H([\d.]+)V100z")
values = st.lists(st.integers(-50, 50), min_size=2, max_size=40).filter(lambda v: len(set(v)) > 1)


def bars(outline: str) -> list[tuple[float, float, float]]:
    """Left, right and height of each bar of an outline."""
    found = [tuple(map(float, bar)) for bar in BAR.findall(outline)]
    return [(left, right, 100 - top) for left, top, right in found]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    atlas = write_bundle(tmp_path_factory.mktemp("spread") / "atlas", layers=2, heads=2)
    generate_site(atlas, atlas.parent / "site")
    return atlas.parent / "site"


def section(page: Path) -> str:
    """The source of a head's section on its distribution."""
    source = page.read_text(encoding="utf-8")
    start = source.index('<section id="distribution"')
    return html.unescape(source[start : source.index("</section>", start)])


def shown_medians(own: dict[str, Any]) -> list[str]:
    """The medians of tenths, with a digit less than the hundredth of their range has."""
    span = own["quantiles"][-1] - own["quantiles"][0]
    return [decimal(tenth["median"], 1 - floor(log10(span))) for tenth in own["tenths"]]


@given(values)
def test_pieces_of_a_histogram_have_together_the_area_of_its_bins(numbers: list[int]) -> None:
    own = distribution_of(np.array(numbers, dtype=float), [f"i{n}" for n in range(len(numbers))])
    drawn = [bar for piece in histogram(own).pieces for bar in bars(piece)]
    area = sum((right - left) * height for left, right, height in drawn)
    whole = sum(own.counts) / max(own.counts) * 100 * 100 / len(own.counts)
    # Bars that are cut are rounded to a hundredth at both ends.
    assert area == pytest.approx(whole, abs=3 * len(drawn))


@given(values)
def test_pieces_of_a_histogram_follow_each_other_without_a_gap_at_deciles(
    numbers: list[int],
) -> None:
    own = distribution_of(np.array(numbers, dtype=float), [f"i{n}" for n in range(len(numbers))])
    drawn = histogram(own)
    edges = [drawn.position(value) for value in own.quantiles]
    assert (edges[0], edges[-1]) == (0, 100)
    for piece, (left, right) in zip(drawn.pieces, pairwise(edges), strict=True):
        for start, end, height in bars(piece):
            assert left - 0.011 <= start <= end <= right + 0.011  # both are rounded to a hundredth
            assert 0 < height <= 100


def test_a_head_that_does_not_vary_is_one_bar_with_its_value_in_the_middle() -> None:
    drawn = histogram(distribution_of(np.full(20, 0.3), [f"i{n}" for n in range(20)]))
    assert [bars(piece) for piece in drawn.pieces] == [[(0, 100, 100)]]
    assert drawn.position(0.3) == 50
    assert drawn.zero_at is None


@pytest.mark.parametrize("head", ["L0.H0", "L0.H1", "L1.H1"])
def test_every_number_of_the_section_is_in_head_json(site: Path, head: str) -> None:
    record = json.loads((site / f"demo-clip/{head}/head.json").read_bytes())
    spread, shown = record["spread"], section(site / f"demo-clip/{head}/index.html")
    assert f"<b>{decimal(spread['effective_dimension'], 1)}</b> of at most 11." in shown
    assert f"Along “{spread['label']['text']}”" in shown
    assert f"{percent(spread['label']['share'], 0)} of the head’s variance" in shown
    medians = shown_medians(spread["label"]["values"])
    for direction in spread["principal"]:
        assert f"From “{direction['low_text']}” to “{direction['high_text']}”" in shown
        assert f"{percent(direction['share'], 0)} of the variance" in shown
        medians += shown_medians(direction["values"])
    listed = re.findall(r'<li class="(?:odd|even)"><span class="score">([^<]+)</span>', shown)
    assert listed == medians


def test_images_of_the_section_are_those_of_head_json_in_their_order(site: Path) -> None:
    record = json.loads((site / "demo-clip/L0.H0/head.json").read_bytes())
    shown = section(site / "demo-clip/L0.H0/index.html")
    expected = []
    for along in [record["spread"]["label"], *record["spread"]["principal"]]:
        own = along["values"]
        groups = [own["lowest"], *(tenth["samples"] for tenth in own["tenths"]), own["highest"]]
        expected += [sample["image"] for group in groups for sample in group]
    assert re.findall(r'class="thumb" href="\.\./images/([a-z0-9-]+)/', shown) == expected


def test_the_section_says_whether_its_description_matches_the_label(site: Path) -> None:
    for page in sorted((site / "demo-clip").glob("L*.H*/index.html")):
        record = json.loads((page.parent / "head.json").read_bytes())
        matches = record["spread"]["label"]["matches_label"]
        assert ("The first description that matches the label" in section(page)) == matches


def test_a_head_that_does_not_vary_has_a_section_that_says_so(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", layers=1, heads=2)
    path = atlas / "demo-clip/heads/L0.H0.json"
    spread = HeadRecord.model_validate_json(path.read_bytes()).spread
    still = spread.model_copy(update={"effective_dimension": 0.0, "label": None, "principal": []})
    edit_json(path, spread=json.loads(still.model_dump_json()))
    generate_site(atlas, tmp_path / "site")
    assert "does not vary over the gallery" in section(tmp_path / "site/demo-clip/L0.H0/index.html")
    assert check_site(tmp_path / "site") == []


def test_a_site_with_distributions_has_no_problems(site: Path) -> None:
    assert check_site(site) == []
