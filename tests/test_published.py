"""Every published head has its page at its permanent address; a build takes it over."""

import json
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from few_published import few_published_heads
from synthetic_bundle import edit_json, write_bundle

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.literature import LiteratureRecord
from clipheads.bundle.names import RESERVED_NAMES
from clipheads.bundle.paper import PaperRecord
from headatlas.atlas_reader import Atlas, read_atlas
from headatlas.pages import head, published_head
from headatlas.pages.kinds import all_pages
from headatlas.pages.page import Page
from headatlas.pages.published import published_view
from headatlas.pages.published_head import PublishedHeadContent
from headatlas.pages.published_labels import PublishedLabelsContent
from headatlas.pages.site_view import SiteView
from headatlas.pages.table1 import Table1Content
from headatlas.pages.view import model_views
from headatlas.publish.check import check_site
from headatlas.site import generate_site

BUILT = "ViT-B-32_openai"
PAPER = read_record(data_file("published", "paper.json"), PaperRecord)
LITERATURE = read_record(data_file("published", "literature.json"), LiteratureRecord)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """A build of one of the paper's models, but of other layers than the published ones."""
    folder = tmp_path_factory.mktemp("published") / "atlas"
    return read_atlas(write_bundle(folder, names=("demo-clip", BUILT), images=6))


@pytest.fixture(scope="module")
def pages(atlas: Atlas) -> list[Page]:
    return all_pages(site_view(atlas, PAPER))


def site_view(atlas: Atlas, paper: PaperRecord) -> SiteView:
    models = model_views(atlas)
    return SiteView(atlas.gallery, models, published_view(paper, models), LITERATURE)


def heads_of(pages: list[Page]) -> list[PublishedHeadContent]:
    return [page.content for page in pages if isinstance(page.content, PublishedHeadContent)]


def test_every_published_head_has_a_page_at_the_address_of_a_build(pages: list[Page]) -> None:
    paths = [page.path for page in pages]
    promised = {f"{row.model}/{head}/index.html" for row in PAPER.models for head in row.labels}

    assert len(promised) == 320
    assert promised <= set(paths)
    assert {f"{row.model}/index.html" for row in PAPER.models} <= set(paths)
    assert len(set(paths)) == len(paths)


def test_a_model_of_ones_own_is_not_taken_for_the_papers(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "atlas", names=(BUILT,), images=3, layers=12, heads=1)
    weights = {"source": BUILT, "sha256": "0" * 64}
    edit_json(folder / BUILT / "model.json", weights=weights)
    with few_published_heads("L11.H0"):
        generate_site(folder, tmp_path / "site")
    label = PAPER.models[0].labels["L11.H0"]
    compare = (tmp_path / "site/compare/index.html").read_text()
    assert f'{BUILT}</a> <span class="aside">(local weights)</span>' in compare
    assert "computed here" not in compare
    head = tmp_path / "site" / BUILT / "L11.H0"
    assert "published the label <a" not in (head / "index.html").read_text()
    assert json.loads((head / "head.json").read_text())["published_label"] is None
    assert check_site(tmp_path / "site") == []

    openai = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
    edit_json(folder / BUILT / "model.json", weights=weights | {"sha256": openai})
    with few_published_heads("L11.H0"):
        generate_site(folder, tmp_path / "site")
    assert "computed here" in (tmp_path / "site/compare/index.html").read_text()
    assert json.loads((head / "head.json").read_text())["published_label"] == label


def test_a_head_that_was_built_has_no_page_of_its_published_label_alone(
    tmp_path: Path, atlas: Atlas
) -> None:
    computed = {head.id for head in atlas.models[1].heads}
    row = PAPER.models[0].model_copy(update={"labels": {"L0.H0": "Colour", "L9.H0": "Animal"}})
    paper = PAPER.model_copy(update={"models": [row, *PAPER.models[1:]]})
    pages = published_head.pages(site_view(atlas, paper))

    assert "L0.H0" in computed
    assert "L9.H0" not in computed
    assert [one.head.id for one in heads_of(pages) if one.head.model == BUILT] == ["L9.H0"]


def test_heads_of_the_same_label_are_found_in_this_model_and_in_the_others(
    pages: list[Page],
) -> None:
    labels = {row.model: row.labels for row in PAPER.models}
    for content in heads_of(pages):
        head = content.head
        wanted = fold_label(labels[head.model][head.id])
        same = {
            (model, identity)
            for model, heads in labels.items()
            for identity, label in heads.items()
            if fold_label(label) == wanted and (model, identity) != (head.model, head.id)
        }
        found = [*content.alike, *(each for _, heads in content.elsewhere for each in heads)]
        assert {(each.model, each.id) for each in found} == same
        assert len(found) == len(same)


def test_the_index_lists_every_head_once(pages: list[Page]) -> None:
    (index,) = [page.content for page in pages if isinstance(page.content, PublishedLabelsContent)]
    listed = [head for _, groups in index.labels for heads in groups for head in heads]
    counts = [sum(map(len, groups)) for _, groups in index.labels]

    assert len(listed) == len({(head.model, head.id) for head in listed}) == 320
    assert counts == sorted(counts, reverse=True)


def test_previous_and_next_lead_through_all_heads_of_a_model(pages: list[Page]) -> None:
    of_model = [one for one in heads_of(pages) if one.head.model == "ViT-L-14_openai"]

    assert of_model[0].previous is None
    assert of_model[-1].following is None
    for one, other in pairwise(of_model):
        assert one.following is other.head
        assert other.previous is one.head


def test_the_site_marks_them_and_says_both_labels_where_there_are_two(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", names=(BUILT,), images=6)
    generate_site(atlas, tmp_path / "site", "https://example.org/atlas/")
    site = tmp_path / "site"

    assert check_site(site) == []
    page = (site / BUILT / "L8.H0" / "index.html").read_text()
    assert "Published label only, not computed here." in page
    record = json.loads((site / BUILT / "L8.H0" / "head.json").read_text())
    assert record["published_only"] is True
    assert record["label"]["text"] == PAPER.models[0].labels["L8.H0"]
    assert record["url"] == f"https://example.org/atlas/{BUILT}/L8.H0/"
    sitemap = (site / "sitemap.xml").read_text()
    assert sitemap.count("/L") >= 320
    for name in ("compare", "published-labels", "recomputing-table-1"):
        assert f"<loc>https://example.org/atlas/{name}/</loc>" in sitemap
        assert name in RESERVED_NAMES
        assert f"{name}/index.html" in (site / "index.html").read_text()


def test_a_built_head_shows_the_published_label_too(tmp_path: Path) -> None:
    read = read_atlas(write_bundle(tmp_path / "atlas", names=(BUILT,), images=6))
    row = PAPER.models[0].model_copy(update={"labels": {"L0.H1": "Told"}})
    paper = PAPER.model_copy(update={"models": [row, *PAPER.models[1:]]})
    pages = head.pages(site_view(read, paper))
    shown = {page.content.record.id: page.content.published for page in pages}

    assert shown.pop("L0.H1") == "Told"
    assert set(shown.values()) == {None}


def test_the_compare_page_shows_computed_and_printed_scores(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", names=("demo-clip", BUILT), images=6)
    generate_site(atlas, tmp_path / "site")
    page = (tmp_path / "site" / "compare" / "index.html").read_text()
    table1 = (tmp_path / "site" / "recomputing-table-1" / "index.html").read_text()

    for row in PAPER.models:
        assert row.model in page
        assert f"{row.entanglement:.3f}" in page
        assert f"{row.association:.3f}" in page
    assert "computed here" in page
    built = (tmp_path / "site" / BUILT / "index.html").read_text()
    assert "labelled 48 heads of this model" in built
    assert "heads of this model" not in (tmp_path / "site" / "demo-clip" / "index.html").read_text()
    # The paper's definition, counted from the published labels.
    for count in ("29 of 48", "25 of 48", "22 of 48", "39 of 64", "41 of 64"):
        assert count in table1


def test_the_first_sentence_on_table_1_counts_as_the_record_does(pages: list[Page]) -> None:
    (page,) = (page for page in pages if page.template == "table1.html")
    content = page.content
    assert isinstance(content, Table1Content)
    values = [(row.entanglement, row.shared.value) for row in PAPER.models]
    reversed_pairs = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(values, 2))
    assert content.shared_reading.reversed_order == reversed_pairs
    assert content.pairs == len(list(combinations(values, 2)))
    assert [(slope.left, slope.right) for slope in content.slopes] == values
