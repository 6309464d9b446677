"""Similar heads on pages: of the same model, of other models, and the most similar pairs."""

import json
import re
import shutil
from pathlib import Path

import pytest
from site_pages import pages_of
from synthetic_bundle import edit_json, write_bundle

from clipheads.bundle.errors import BundleError
from clipheads.bundle.progress import Silent
from headatlas.atlas_reader import Atlas, read_atlas
from headatlas.head_json import HeadFile
from headatlas.links import check_links
from headatlas.pages import compare_heads, head
from headatlas.pages.compare_heads import CompareHeadsContent
from headatlas.pages.head import HeadContent
from headatlas.pages.page import Page
from headatlas.render import render
from headatlas.site import gallery_files
from headatlas.urls import COMPARE_HEADS_DATA

NAMES = ("demo-clip", "other+clip")


class Notes(Silent):
    """A progress that keeps its notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        """Keep the line."""
        self.lines.append(message)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("relatives") / "atlas"
    return write_bundle(folder, names=NAMES, images=6, layers=3, heads=3)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "atlas")
    return tmp_path / "atlas"


@pytest.fixture(scope="module")
def atlas(whole: Path) -> Atlas:
    return read_atlas(whole)


def head_page(atlas: Atlas, model: str = "demo-clip", identity: str = "L2.H1") -> Page:
    return next(
        page for page in pages_of(atlas, head) if page.path == f"{model}/{identity}/index.html"
    )


def section(page: Page) -> str:
    """The section `relatives` of a page, as text between its tags."""
    found = re.search(r'<section id="relatives".*?</section>', render(page), re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_relatives_of_the_model_and_of_the_other_one_are_on_a_heads_page(atlas: Atlas) -> None:
    page = head_page(atlas)
    content: HeadContent = page.content
    view = content.relatives
    record = content.record.relatives
    assert [one.head.summary.id for one in view.by_cka] == [one.head for one in record.by_cka]
    (other,) = view.others
    assert other.model.record.name == "other+clip"
    there = content.model.bundle.relatives["other+clip"].heads["L2.H1"]
    assert [one.record for one in other.relatives[:3]] == there.by_cka[:3]
    assert view.not_compared == ()
    text = section(page)
    for one in (*view.by_cka, *other.relatives):
        assert one.head.summary.id in text
        assert f"CKA {one.record.cka:.2f}" in text
    assert "Not compared" not in text


def test_pictures_of_a_relative_are_its_own_top_images(atlas: Atlas) -> None:
    view = head_page(atlas).content.relatives
    for one in (*view.by_cka, *view.others[0].relatives):
        position = [h.summary.id for h in one.model.heads].index(one.head.summary.id)
        strongest = one.model.bundle.heads[position].strongest
        assert [p.image.id for p in one.pictures] == [share.image for share in strongest[:3]]


def test_how_many_are_unusually_similar_is_counted_against_the_pairs_of_the_model(
    atlas: Atlas,
) -> None:
    for page in pages_of(atlas, head):
        view = page.content.relatives
        above = [one for one in view.by_cka if one.record.cka > view.facts.high]
        assert view.close == len(above)
        assert ("No head of this model is unusually similar" in section(page)) == (not above)


def test_head_json_has_the_relatives_in_every_model(atlas: Atlas) -> None:
    page = head_page(atlas)
    assert page.data
    made = page.data.make("")
    assert isinstance(made, HeadFile)
    assert made.relatives == page.content.record.relatives
    assert list(made.other_relatives) == ["other+clip"]
    assert len(made.other_relatives["other+clip"].cka) == 9


def test_a_model_alone_in_its_atlas_says_so(folder: Path) -> None:
    shutil.rmtree(folder / "other+clip")
    notes = Notes()
    atlas = read_atlas(folder, notes)
    assert notes.lines == []
    assert "No other model is in this atlas to compare with." in section(head_page(atlas))
    check_links(pages_of(atlas), gallery_files(atlas.gallery))


def test_models_that_were_not_compared_are_named(folder: Path) -> None:
    shutil.rmtree(folder / "demo-clip" / "relatives")
    atlas = read_atlas(folder)
    assert "Not compared with other+clip: the next head-atlas build" in section(head_page(atlas))
    (page,) = pages_of(atlas, compare_heads)
    assert page.content.across == ()


def test_what_compares_an_earlier_state_of_a_bundle_is_left_out_with_a_note(folder: Path) -> None:
    file = folder / "demo-clip" / "model.json"
    relatives = json.loads(file.read_text())["relatives"]
    edit_json(file, relatives=relatives | {"fingerprint": "0" * 64})
    notes = Notes()
    atlas = read_atlas(folder, notes)
    assert [dict(model.relatives) for model in atlas.models] == [{}, {}]
    assert len(notes.lines) == 2
    assert all("of other bundles than these" in line for line in notes.lines)


def test_a_damaged_comparison_is_left_out_with_a_note(folder: Path) -> None:
    (folder / "demo-clip" / "relatives" / "other+clip.json").write_text("{")
    notes = Notes()
    first, second = read_atlas(folder, notes).models
    assert (dict(first.relatives), list(second.relatives)) == ({}, ["demo-clip"])
    assert len(notes.lines) == 1


def test_relatives_that_do_not_exist_are_refused(folder: Path) -> None:
    file = folder / "demo-clip" / "heads" / "L0.H0.json"
    relatives = json.loads(file.read_text())["relatives"]
    relatives["by_cka"][0]["head"] = "L9.H9"
    edit_json(file, relatives=relatives)
    with pytest.raises(BundleError, match="relatives that are not among the heads"):
        read_atlas(folder)


@pytest.fixture(scope="module")
def compare(atlas: Atlas) -> Page:
    (page,) = pages_of(atlas, compare_heads)
    return page


def test_the_closest_pairs_of_a_model_are_those_of_its_whole_table(
    atlas: Atlas, compare: Page
) -> None:
    content: CompareHeadsContent = compare.content
    for model, listed in zip(atlas.models, content.within, strict=True):
        ids = [row.id for row in model.heads]
        pairs = {
            frozenset((one, other)): row.relatives.cka[column]
            for row in model.heads
            for column, other in enumerate(ids)
            if (one := row.id) != other
        }
        closest = sorted(pairs.values(), reverse=True)[: compare_heads.PAIRS]
        shown = [frozenset((p.first.summary.id, p.second.summary.id)) for p in listed.pairs]
        assert len(set(shown)) == len(shown) == compare_heads.PAIRS
        assert [pairs[pair] for pair in shown] == closest


def test_the_closest_pairs_of_two_models_have_a_head_of_each(atlas: Atlas, compare: Page) -> None:
    (listed,) = compare.content.across
    first, second = atlas.models
    table = [value for row in first.relatives["other+clip"].heads.values() for value in row.cka]
    closest = sorted(table, reverse=True)[: compare_heads.PAIRS]
    assert [round(pair.record.cka, 3) for pair in listed.pairs] == closest
    assert {pair.first.page.path.split("/")[0] for pair in listed.pairs} == {first.record.name}
    assert {pair.second.page.path.split("/")[0] for pair in listed.pairs} == {second.record.name}


def test_lists_lead_to_both_heads_and_to_the_pair_without_a_script(compare: Page) -> None:
    html = render(compare)
    for listed in (*compare.content.within, *compare.content.across):
        for pair in listed.pairs:
            # A plus means a space in a fragment, so that of a name is written otherwise.
            first = f"{listed.first.record.name}/{pair.first.summary.id}".replace("+", "%2B")
            second = f"{listed.second.record.name}/{pair.second.summary.id}".replace("+", "%2B")
            assert f'href="#a={first}&amp;b={second}"' in html
            assert f'href="../../{first}/index.html"' in html
            assert f'href="../../{second}/index.html"' in html


def test_the_script_gets_every_head_and_the_names_of_all_changes(
    atlas: Atlas, compare: Page
) -> None:
    content = compare.files[COMPARE_HEADS_DATA]
    assert isinstance(content, bytes)
    models = json.loads(content)["models"]
    assert [model["name"] for model in models] == list(NAMES)
    for model, own in zip(atlas.models, models, strict=True):
        assert own["heads"] == [[head.id, head.label] for head in model.record.heads]
        assert list(own["changes"]) == [
            effect.transform for effect in model.heads[0].profile.effects
        ]
