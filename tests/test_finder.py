"""The finder has every number of every head, and ranks that readers can check by looking."""

from dataclasses import replace

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_pages import pages_of
from synthetic_bundle import write_bundle
from synthetic_truth import write_truth

from clipheads.bundle.model import HeadSummary
from headatlas.atlas_reader import read_atlas
from headatlas.pages import finder
from headatlas.pages.metrics import MISSING, Metric, metrics_of
from headatlas.pictures.scatter import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axis, scatter
from headatlas.render import render
from headatlas.urls import METHODS


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    folder = write_bundle(tmp_path_factory.mktemp("finder") / "atlas", images=6)
    write_truth(folder / "demo-clip")
    return read_atlas(folder)


@pytest.fixture(scope="module")
def page(atlas):
    (page,) = pages_of(atlas, finder)
    return page


@pytest.fixture(scope="module")
def tree(page):
    return html5lib.parse(render(page), namespaceHTMLElements=False)


def text(element):
    return " ".join("".join(element.itertext()).split())


def metric(*values, unit="", digits=1):
    return Metric("key", "title", "group", unit, digits, METHODS.at("shares"), values)


def table(tree):
    """Cells of the body by the head's id and the column's key, as strings."""
    found = next(t for t in tree.iter("table") if t.get("class") == "finder")
    keys = [cell.get("data-key") for cell in found.find("thead").findall("tr")[-1]]
    return {
        text(row[1]): dict(zip(keys, map(text, row), strict=True)) for row in found.find("tbody")
    }


def test_without_a_script_the_table_has_every_number_of_every_head(atlas, tree):
    (bundle,) = atlas.models
    rows = table(tree)
    assert rows.keys() == {head.id for head in bundle.heads}
    for record in bundle.heads:
        cells = rows[record.id]
        assert cells["label"] == (record.label.text or MISSING)
        assert cells["variance"] == f"{100 * record.variance_share:.2f}"
        assert cells["mean"].replace("−", "-") == f"{100 * record.mean_share:.2f}"
        assert cells["explained"] == f"{100 * record.explained:.1f}"
        matching = sum(description.matches_label for description in record.descriptions)
        assert cells["matches"] == (MISSING if record.label.text is None else str(matching))
        for effect in record.profile.effects:
            assert cells[f"effect-{effect.transform}"] == f"{effect.ratio:.2f}"
        assert cells["reading"].replace("−", "-") == f"{record.profile.reading.beyond:.2f}"
    for head in bundle.truth.heads:
        for effect in head.groups:
            assert rows[head.id][f"truth-{effect.name}"] == f"{effect.total:.2f}"


def test_every_number_of_a_summary_is_a_metric(atlas):
    (bundle,) = atlas.models
    numbers = {
        name
        for name, field in HeadSummary.model_fields.items()
        if field.annotation in (float, int, float | None, int | None)
    } - {"layer", "head"}
    # A value that no other field has is found among the values of the metrics.
    for number, name in enumerate(sorted(numbers)):
        heads = [head.model_copy(update={name: 1000.0 + number}) for head in bundle.record.heads]
        changed = replace(bundle, record=bundle.record.model_copy(update={"heads": heads}))
        values = [metric.values for metric in metrics_of(changed)]
        assert (1000.0 + number,) * len(heads) in values, name


def test_each_column_is_defined_somewhere(page):
    assert {metric.defined.path for metric in page.content.model.metrics} == {
        "methods/index.html",
        "ground-truth/index.html",
    }


def test_what_no_head_has_is_left_out(tmp_path):
    from synthetic_bundle import edit_json

    folder = write_bundle(tmp_path / "atlas", images=6)
    edit_json(folder / "demo-clip" / "model.json", profile=None)
    for path in (folder / "demo-clip" / "heads").iterdir():
        edit_json(path, profile=None)
    (bundle,) = read_atlas(folder).models
    keys = {metric.key for metric in metrics_of(bundle)}
    assert "variance" in keys
    assert not any(key.startswith(("effect-", "truth-", "reading")) for key in keys)


def test_a_unit_is_written_as_readers_expect_it():
    assert [metric(1.0, unit=unit).suffix for unit in ("", "%", "×", "10⁻³")] == [
        *("", "%", " ×"),
        " × 10⁻³",
    ]


def test_heads_that_print_the_same_share_a_rank():
    assert metric(0.1, 0.3, None, 0.3, 0.2).ranks == (4, 1, None, 1, 3)
    assert metric(0.31, 0.29, digits=1).ranks == (1, 1)
    assert metric(-0.2, 0.0).ranks == (2, 1)


@given(st.lists(st.none() | st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_a_rank_is_one_more_than_the_heads_that_print_more(values):
    ranked = metric(*values, unit="%", digits=2)
    printed = [
        None if shown == MISSING else float(shown.replace("−", "-")) for shown in ranked.printed
    ]
    for value, rank in zip(printed, ranked.ranks, strict=True):
        larger = [other for other in printed if other is not None and value is not None]
        assert rank == (None if value is None else 1 + sum(other > value for other in larger))


def test_the_table_begins_with_the_largest_share_of_variance(atlas, tree):
    (bundle,) = atlas.models
    (shares,) = (m for m in metrics_of(bundle) if m.key == "variance")
    ranks = [int(cells[None]) for cells in table(tree).values()]
    assert ranks == sorted(shares.ranks)


def test_each_point_leads_to_its_head_and_lies_where_its_numbers_are(page, tree):
    figure = next(f for f in tree.iter("figure") if f.get("class") == "scatter")
    links = [link for link in figure.iter() if link.tag.endswith("}a") or link.tag == "a"]
    assert len(links) == len(page.content.rows)
    across = axis([value for value in page.content.across.rounded if value is not None])
    for row, link in zip(page.content.rows, links, strict=True):
        identity = row.head.summary.id
        assert link.get("href") == f"../{identity}/index.html"
        circle = next(e for e in link.iter() if e.tag.endswith("circle"))
        share = round(100 * row.head.summary.variance_share, 2)
        expected = LEFT + (WIDTH - LEFT - RIGHT) * across.at(share)
        assert float(circle.get("cx")) == pytest.approx(expected, abs=0.051)
        assert identity in text(link)


@given(st.lists(st.floats(-1e3, 1e3).map(lambda v: round(v, 2)), min_size=2, max_size=40))
def test_points_and_ticks_lie_in_the_plot(values):
    plot = scatter(values, values[::-1])
    for x, y in plot.points:
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP <= y <= HEIGHT - BOTTOM
    assert 1 <= len(plot.across) <= 12
    assert [tick.at for tick in plot.across] == sorted(tick.at for tick in plot.across)


def test_a_skewed_axis_is_logarithmic():
    assert axis([0.1, 0.2, 0.3, 40.0]).logarithmic
    assert axis([0.1, 0.2, 0.3, 40.0]).ticks == (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
    assert not axis([0.0, 0.2, 40.0]).logarithmic
    assert axis([10.0, 25.0]).ticks == (0, 5, 10, 15, 20, 25)
