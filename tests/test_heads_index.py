"""The index lists every head of every model once, and stays light however many there are."""

import json

import html5lib
import pytest
from site_pages import pages_of
from synthetic_bundle import write_bundle

from headatlas.atlas_reader import read_atlas
from headatlas.pages import heads
from headatlas.publish.check import PAGE_LIMIT
from headatlas.render import render

NAMES = ("ViT-B-32_openai", "demo-clip")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return read_atlas(write_bundle(tmp_path_factory.mktemp("index"), names=NAMES, images=6))


def items(page):
    tree = html5lib.parse(render(page), namespaceHTMLElements=False)
    index = (div for div in tree.iter("div") if div.get("class") == "index")
    return [item for div in index for item in div.iter("li")]


def texts_of(page):
    (script,) = page.files.values()
    return json.loads(script.decode().removeprefix("window.filterTexts = ").removesuffix(";\n"))


def test_every_head_is_listed_once_with_its_label_or_first_description(atlas):
    (page,) = pages_of(atlas, heads)
    listed = {item.find("a").get("href"): "".join(item.itertext()) for item in items(page)}
    assert len(listed) == len(items(page)) == page.content.count
    for bundle in atlas.models:
        for record in bundle.heads:
            line = listed[f"../{bundle.record.name}/{record.id}/index.html"]
            assert line == f"{record.id} {record.label.text or record.descriptions[0].text}"
    # What the paper's authors labelled and was not computed here is listed as well.
    assert "../ViT-L-14_openai/L23.H15/index.html" in listed


def test_the_filter_also_knows_all_descriptions(atlas):
    (page,) = pages_of(atlas, heads)
    content = texts_of(page)
    assert len(content["items"]) == len(items(page))
    described = [[content["texts"][number] for number in row] for row in content["items"]]
    records = [record for bundle in atlas.models for record in bundle.heads]
    assert described[: len(records)] == [[d.text for d in r.descriptions] for r in records]
    assert len(set(content["texts"])) == len(content["texts"])


def test_a_long_index_is_divided(atlas, monkeypatch):
    (whole,) = pages_of(atlas, heads)
    monkeypatch.setattr(heads, "PART", 100)
    parts = pages_of(atlas, heads)
    assert [page.path for page in parts[:2]] == ["heads/index.html", "heads/2/index.html"]
    found = [item for page in parts for item in items(page)]
    assert len(found) == whole.content.count
    assert all(len(items(page)) == len(texts_of(page)["items"]) <= 100 for page in parts)


@pytest.mark.slow
def test_six_models_of_384_heads_fit_on_a_page(tmp_path):
    # With the longest of the paper's names.
    name = "ViT-L-14_laion2b_s32b_b82k"
    atlas = read_atlas(write_bundle(tmp_path, names=(name,), images=3, layers=24, heads=16))
    page = pages_of(atlas, heads)[0]
    rows = [item for item in items(page) if name in item.find("a").get("href")]
    html = render(page)
    of_model = html.partition(f'id="{name}"')[2].partition("</ul>")[0]
    assert len(rows) == 384
    assert 6 * len(of_model.encode()) + 15_000 < PAGE_LIMIT
