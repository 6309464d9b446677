"""The HTML of a frame that a head's page offers."""

from dataclasses import replace

import html5lib
import pytest
from site_pages import pages_of
from synthetic_bundle import write_bundle

from headatlas.atlas_reader import read_atlas
from headatlas.pages import head
from headatlas.render import render
from headatlas.urls import Urls

TITLE = """L1.H2: "quotes" & <i>'tags'</i>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    atlas = write_bundle(tmp_path_factory.mktemp("embedded") / "atlas")
    return replace(pages_of(read_atlas(atlas), head)[0], title=TITLE)


def preformatted(html):
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    return next(pre for pre in tree.iter("pre") if pre.get("aria-label") == "HTML of a frame")


@pytest.mark.parametrize("later", [False, True])
def test_a_reader_copies_a_frame_with_the_address_and_the_title(page, later):
    pre = preformatted(render(page, Urls() if later else Urls("https://example.org/atlas/")))
    text = pre.get("data-later") if later else "".join(pre.itertext())
    (frame,) = html5lib.parseFragment(text, namespaceHTMLElements=False)
    assert frame.tag == "iframe"
    assert frame.get("title") == TITLE
    address = "{address}" if later else "https://example.org/atlas/demo-clip/L0.H0/"
    assert frame.get("src") == f"{address}?embed"
