"""A citation says which computation it cites, and no two pages share a BibTeX key."""

import re
from types import SimpleNamespace

import pytest
from synthetic_bundle import write_bundle

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.paper import PaperRecord
from headatlas.atlas_reader import read_atlas
from headatlas.citations import PAPER, YEAR, cite_model_page, cite_page, cite_published
from headatlas.pages.everything import build_pages, cited, model_views
from headatlas.pages.published import published_pages

RECORD = SimpleNamespace(
    name="ViT-B-32_openai",
    weights=SimpleNamespace(sha256="ab" * 32),
    gallery_sha256="cd" * 32,
    version="0.1.0",
)


def test_a_citation_pins_address_weights_gallery_and_year():
    address = "https://example.org/ViT-B-32_openai/L11.H7/"
    made = cite_model_page(RECORD, "head L11.H7 (animals & plants)", address)
    for text in (made.plain, made.bibtex):
        assert address in text
        assert "abababababab" in text
        assert "cdcdcdcdcdcd" in text
        assert str(YEAR) in text
    assert "title = {Head L11.H7 (animals \\& plants) of ViT-B-32\\_openai}" in made.bibtex
    assert made.bibtex.startswith("@misc{clip-head-atlas:ViT-B-32_openai:L11.H7,\n")
    assert made.bibtex.count("{") == made.bibtex.count("}")


def test_without_a_base_url_the_path_is_cited_and_no_url_is_invented():
    made = cite_model_page(RECORD, "head L0.H0", "/ViT-B-32_openai/L0.H0/")
    assert "url =" not in made.bibtex
    assert "/ViT-B-32_openai/L0.H0/" in made.plain
    assert made.bibtex.startswith("@misc{clip-head-atlas:ViT-B-32_openai:L0.H0,\n")


def test_a_published_head_cites_its_page_and_the_paper_apart_from_it():
    made = cite_published("m", "label of head L1.H2 (Art)", "https://example.org/m/L1.H2/")
    assert "madasu2024quantifying" not in made.bibtex
    assert made.source == PAPER
    assert "Madasu, Avinash and Gandelsman, Yossi and Lal, Vasudev and Howard, Phillip" in PAPER


def test_what_latex_reads_as_markup_is_escaped():
    made = cite_page("50% of ~a_b^c & $d", "https://example.org/x/")
    assert r"50\% of \textasciitilde{}a\_b\textasciicircum{}c \& \$d" in made.bibtex


@pytest.fixture(scope="module", params=[None, "https://example.org/atlas/"])
def every_page(request, tmp_path_factory):
    names = ("demo-clip", "ViT-B-32_openai")
    atlas = read_atlas(write_bundle(tmp_path_factory.mktemp("cite"), names=names, images=3))
    models = model_views(atlas)
    paper = read_record(data_file("published", "paper.json"), PaperRecord)
    published = {row.model: row.labels for row in paper.models}
    base = request.param
    pages = build_pages(atlas, models, published, base) + published_pages(paper, models, base)
    return cited(pages, base)


def test_every_page_can_be_cited_and_has_a_key_of_its_own(every_page):
    uncited = [page.path for page in every_page if page.citation is None]
    assert uncited == ["404.html"]
    keys = [
        re.match(r"@misc\{([^,{}%#\s]+),\n", p.citation.bibtex) for p in every_page if p.citation
    ]
    assert all(keys)
    assert len({key[1].casefold() for key in keys}) == len(keys)
