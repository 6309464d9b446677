"""What programs read of a page: Highwire's tags by the rules of their readers, and Signposting."""

import json
import re
from html.parser import HTMLParser

import pytest
from site_pages import pages_of
from synthetic_bundle import write_bundle

from headatlas.atlas_reader import read_atlas
from headatlas.citations import YEAR
from headatlas.render import render
from headatlas.urls import Urls

BASE = "https://example.org/atlas/"
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")


class Head(HTMLParser):
    """The `<meta>` and `<link>` elements of a page."""

    def __init__(self, text):
        super().__init__()
        self.meta, self.links = {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what the element says."""
        found = dict(attrs)
        if tag == "meta" and ("name" in found or "property" in found):
            name = found.get("name") or found["property"]
            self.meta.setdefault(name, []).append(found["content"])
        if tag == "link":
            self.links += [{**found, "rel": rel} for rel in found["rel"].split()]

    def rel(self, name):
        """The links of one relation."""
        return [link for link in self.links if link["rel"] == name]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    atlas = read_atlas(write_bundle(tmp_path_factory.mktemp("metadata"), images=3, heads=2))
    return [page for page in pages_of(atlas) if page.citable]


def heads_of(pages, urls):
    return [(page, Head(render(page, urls))) for page in pages]


def test_every_page_says_title_author_and_date_as_google_scholar_requires(pages):
    for page, head in heads_of(pages, Urls(BASE)):
        (title,) = head.meta["citation_title"]
        assert title == page.citation(Urls(BASE)).entry.title
        assert head.meta["citation_publication_date"] == [str(YEAR)]
        # Readers that split names at the comma take all before it for the last name.
        assert head.meta["citation_author"] == ["CLIP Head Atlas,"]
        assert head.meta["citation_public_url"] == [head.rel("canonical")[0]["href"]]
        assert not any(name.startswith("citation_journal") for name in head.meta)


def test_zotero_is_told_that_a_page_is_no_journal_article(pages):
    for page, head in heads_of(pages, Urls(BASE)):
        assert head.meta["z:itemType"] == ["dataset" if page.dataset else "webpage"]


def test_without_an_address_no_page_claims_one(pages):
    for _, head in heads_of(pages, Urls()):
        assert "citation_public_url" not in head.meta
        assert head.rel("cite-as") == []


def test_signposts_follow_the_fair_profile(pages):
    urls = Urls(BASE, licence="https://spdx.org/licenses/MIT")
    for page, head in heads_of(pages, urls):
        (cite_as,) = head.rel("cite-as")
        assert cite_as["href"] == urls.permanent(page.link)
        assert [link["href"] for link in head.rel("license")] == [urls.licence]
        assert len(head.rel("author")) == 1
        first, second = (link["href"] for link in head.rel("type"))
        assert first == "https://schema.org/AboutPage"
        assert second in ("https://schema.org/Dataset", "https://schema.org/WebPage")
        items = head.rel("item") + head.rel("describedby")
        assert all(MEDIA_TYPE.fullmatch(link["type"]) for link in items)
        if page.data:
            assert page.data.name in [link["href"] for link in head.rel("item")]
            assert second == "https://schema.org/Dataset"


def test_the_page_of_the_data_describes_each_file_in_the_words_of_schema_org(pages):
    (page,) = [page for page in pages if page.dataset]
    for urls in (
        Urls(),
        Urls(BASE, doi="10.5281/zenodo.1", licence="https://example.org/</script>"),
    ):
        text = render(page, urls)
        (block,) = re.findall(
            r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL
        )
        said = json.loads(block)
        assert said["@type"] == "Dataset"
        assert said.get("license") == urls.licence
        assert [row["name"] for row in said["distribution"]] == [
            file.link.path for file in page.downloads
        ]
        assert len(Head(text).rel("item") + Head(text).rel("describedby")) == len(page.downloads)


def test_a_licence_that_nobody_named_is_not_claimed(pages):
    assert not any(head.rel("license") for _, head in heads_of(pages, Urls(BASE)))
