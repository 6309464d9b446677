"""The first screen of a head's page and its contact sheet agree with the head's record."""

import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from site_pages import pages_of
from synthetic_bundle import write_bundle
from synthetic_truth import write_truth

from headatlas.atlas_reader import read_atlas
from headatlas.head_json import as_json
from headatlas.pages import head
from headatlas.pages.evidence import FOLDED_BELOW, MOST_ROWS
from headatlas.pages.head import HeadContent
from headatlas.pages.page import Page
from headatlas.pictures.heat_maps import heat_map_webp
from headatlas.pictures.locator import locator
from headatlas.render import render
from headatlas.urls import Urls


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Page]:
    atlas = write_bundle(tmp_path_factory.mktemp("atlas"))
    write_truth(atlas / "demo-clip")
    return pages_of(read_atlas(atlas), head)


@pytest.fixture(scope="module")
def texts(pages: list[Page]) -> dict[str, str]:
    return {page.path: html.unescape(render(page, Urls(None))) for page in pages}


def sheet(text: str) -> list[str]:
    """The rows of the contact sheet."""
    section = text.split('<section id="evidence"')[1].split("</section>")[0]
    return section.split('<div class="answer">')[1:]


def test_the_rows_of_the_contact_sheet_are_the_answers_of_the_label(pages, texts):
    labelled = 0
    for page in pages:
        record, rows = page.content.record, sheet(texts[page.path])
        if record.answers is None:
            continue
        labelled += 1
        data = json.loads(as_json(page.data.make("")))
        assert len(rows) == len(data["answers"]["answers"])
        truths = data["ground_truth"]["answers"]
        for row, answer, truth in zip(rows, data["answers"]["answers"], truths, strict=True):
            assert f"<h3>{answer['text']}" in row
            assert f">{answer['share']:.0%}<" in row
            pictures = re.findall(r'/small/([^"]+)\.webp"', row)
            assert pictures == [one["image"] for one in answer["neighbours"]]
            assert f"<b>{sum(truth['shows'])}</b>" in row
            assert row.count('class="shows"') == sum(truth["shows"])
    assert labelled


def test_without_a_label_the_rows_are_the_descriptions_that_explain_most(pages, texts):
    unlabelled = [page for page in pages if page.content.record.answers is None]
    assert unlabelled
    for page in unlabelled:
        descriptions = sorted(page.content.record.descriptions, key=lambda one: -one.share)
        rows = sheet(texts[page.path])
        assert len(rows) == min(MOST_ROWS, len(descriptions))
        for row, description in zip(rows, descriptions, strict=False):
            assert f"<h3>{description.text}" in row


def test_a_truth_of_other_answers_is_left_out(tmp_path: Path):
    atlas = write_bundle(tmp_path, images=4)
    write_truth(atlas / "demo-clip")
    file = atlas / "demo-clip" / "ground-truth.json"
    truth = json.loads(file.read_text())
    known = next(one for one in truth["heads"] if one["answers"])
    known["answers"][0]["text"] = "another answer"
    file.write_text(json.dumps(truth))

    (model,) = read_atlas(atlas).models
    assert model.truth is None
    assert "with other answers" in model.outdated[0]


def test_what_chance_gives_follows_from_the_images_that_show_an_answer(pages):
    content = next(page.content for page in pages if page.content.record.answers)
    truth = content.truth.truth
    images = len(content.model.pictures)
    for row, known in zip(content.evidence.rows, truth.answers, strict=True):
        assert row.chance == pytest.approx(len(known.shows) * known.images / images)
    assert content.evidence.hits == sum(sum(known.shows) for known in truth.answers)


def test_the_first_screen_has_label_runner_up_effects_grid_and_address(pages, texts):
    for page in pages:
        content, text = page.content, texts[page.path]
        assert isinstance(content, HeadContent)
        first = text.split('<div class="portrait ')[1].split('<section id="evidence"')[0]
        assert (content.record.label.text or "No label") in first
        if content.record.label.confidence is not None:
            assert f"{content.record.label.confidence:.0%}" in first
        for effect in content.truth.truth.groups:
            assert f"{effect.total:.2f}" in first
        assert ("✓ Correct" in first) == (content.truth.truth.right is True)
        assert ("✗ Incorrect" in first) == (content.truth.truth.right is False)
        assert first.count('class="cell') == len(content.model.locator.paths)
        assert f"/{page.path.removesuffix('index.html')}" in first


def test_descriptions_that_explain_little_are_folded(pages, texts):
    for page in pages:
        section = texts[page.path].split('<section id="descriptions"')[1].split("</section>")[0]
        shown, _, folded = section.partition('<details class="more">')
        for one in page.content.record.descriptions:
            assert (f"<h3>{one.text}</h3>" in folded) == (one.share < FOLDED_BELOW)
            assert (f"<h3>{one.text}</h3>" in shown) == (one.share >= FOLDED_BELOW)


def test_the_grid_in_miniature_has_every_head_once_with_the_last_layer_on_top():
    drawn = locator(2, 3, [((0, 0), None), ((2, 1), 4), ((1, 0), 4)])
    corners = {colour: re.findall(r"M(\d+) (\d+)h", outline) for colour, outline in drawn.paths}
    assert corners == {None: [("0", "2")], 4: [("1", "0"), ("0", "1")]}
    assert drawn.corner(2, 1) == (1, 0)


def test_patches_below_the_noise_are_left_clear():
    grid = np.array([[1.0, -0.5], [0.09, -0.09]])
    alpha = np.asarray(Image.open(io.BytesIO(heat_map_webp(grid, 1.0, noise=0.1))))[..., 3]
    assert (alpha > 0).tolist() == [[True, True], [False, False]]
    without = np.asarray(Image.open(io.BytesIO(heat_map_webp(grid, 1.0))))[..., 3]
    assert (without > 0).all()


def test_a_map_that_lies_below_the_noise_throughout_is_not_drawn(tmp_path: Path):
    atlas = write_bundle(tmp_path)
    for file in (atlas / "demo-clip" / "heads").glob("*.json"):
        record = json.loads(file.read_text())
        file.write_text(json.dumps(record | {"map_noise": 1.0}))
    page = pages_of(read_atlas(atlas), head)[0]
    section = render(page, Urls(None)).split('<section id="descriptions"')[1].split("</section>")[0]
    assert 'class="map"' not in section
    assert section.count("below noise") == sum(
        len(one.maps) for one in page.content.record.descriptions
    )
