"""Heads and models have twins in Markdown that say the same, and `llms.txt` leads to them."""

import posixpath
import re
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from site_pages import pages_of
from synthetic_bundle import write_bundle

from headatlas.atlas_reader import read_atlas
from headatlas.formats import percent
from headatlas.pages import data, head, model
from headatlas.pages.head import HeadContent
from headatlas.render import render
from headatlas.urls import Urls

WHERE = Urls("https://example.org/atlas/")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    atlas = read_atlas(write_bundle(tmp_path_factory.mktemp("twins"), images=4, heads=2))
    return pages_of(atlas, head, model, data)


@pytest.fixture(scope="module")
def twins(pages):
    return {page.path: (page, page.twin.make(WHERE).decode()) for page in pages if page.twin}


def shown(markdown):
    """The text that a reader of the rendered Markdown sees."""
    return [
        "".join(part.content for part in token.children if part.type in ("text", "code_inline"))
        for token in MarkdownIt().enable("table").parse(markdown)
        if token.type == "inline"
    ]


def test_each_head_and_model_has_a_twin_that_its_page_names(pages, twins):
    for page in pages:
        assert (page.twin is None) == (page.path == "data/index.html")
        if page.twin:
            link = '<link rel="alternate" type="text/markdown" href="index.md">'
            assert link in render(page, WHERE)
            assert page.twin.link.path == posixpath.join(posixpath.dirname(page.path), "index.md")
            assert WHERE.permanent(page.link) in twins[page.path][1]


def test_the_twin_of_a_head_shows_its_descriptions_and_numbers_as_they_are(twins):
    for page, text in twins.values():
        if not isinstance(page.content, HeadContent):
            continue
        record, cells = page.content.record, shown(text)
        assert record.label.reason in cells
        for description in record.descriptions:
            at = cells.index(description.text)
            assert cells[at + 2] == percent(description.share)
        assert "label_reason" in cells
        assert record.label.text is None or record.label.text in cells


def test_the_twin_of_a_model_lists_its_heads(twins):
    page, text = twins["demo-clip/index.html"]
    cells = shown(text)
    for view in page.content.model.heads:
        assert f"({view.summary.id}/index.md)" in text
        assert view.summary.first_description in cells


def test_no_link_of_a_twin_leads_nowhere(pages, twins):
    llms = next(file for page in pages for file in page.downloads if file.name == "llms.txt")
    texts = {page.twin.link.path: text for page, text in twins.values()}
    texts["llms.txt"] = llms.make(WHERE).decode()
    there = {page.path for page in pages} | texts.keys()
    there |= {page.data.link.path for page in pages if page.data}
    there |= {file.link.path for page in pages for file in page.downloads}
    for path, text in texts.items():
        for target in re.findall(r"\]\(([^<)][^)]*)\)", text):
            found = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target)))
            elsewhere = "images/" in found or found == "methods/index.html"
            assert found in there or elsewhere, (path, target)
