"""A citation says which computation it cites, and no two pages share a BibTeX key."""

import re
from types import SimpleNamespace

import pytest
from site_pages import pages_of
from synthetic_bundle import write_bundle

from headatlas.atlas_reader import read_atlas
from headatlas.citations import PAPER, YEAR, Reference, of_model, of_published
from headatlas.urls import Urls

RECORD = SimpleNamespace(
    name="ViT-B-32_openai",
    weights=SimpleNamespace(sha256="ab" * 32),
    gallery_sha256="cd" * 32,
    version="0.1.0",
)


def test_a_citation_pins_address_weights_gallery_and_year():
    address = "https://example.org/ViT-B-32_openai/L11.H7/"
    made = of_model(RECORD, "head L11.H7 (animals & plants)").at(address)
    for text in (made.plain, made.bibtex):
        assert address in text
        assert "abababababab" in text
        assert "cdcdcdcdcdcd" in text
        assert str(YEAR) in text
    assert "title = {Head L11.H7 (animals \\& plants) of ViT-B-32\\_openai}" in made.bibtex
    assert made.bibtex.startswith("@misc{clip-head-atlas:ViT-B-32_openai:L11.H7,\n")
    assert made.bibtex.count("{") == made.bibtex.count("}")


def test_without_a_base_url_the_path_is_cited_and_no_url_is_invented():
    made = of_model(RECORD, "head L0.H0").at("/ViT-B-32_openai/L0.H0/")
    assert "url =" not in made.bibtex
    assert "/ViT-B-32_openai/L0.H0/" in made.plain
    assert made.bibtex.startswith("@misc{clip-head-atlas:ViT-B-32_openai:L0.H0,\n")


def test_a_published_head_cites_its_page_and_the_paper_apart_from_it():
    made = of_published("m", "label of head L1.H2 (Art)").at("https://example.org/m/L1.H2/")
    assert "madasu2024quantifying" not in made.bibtex
    assert made.source == PAPER
    assert "Madasu, Avinash and Gandelsman, Yossi and Lal, Vasudev and Howard, Phillip" in PAPER


def test_what_latex_reads_as_markup_is_escaped():
    made = Reference("50% of ~a_b^c & $d").at("https://example.org/x/")
    assert r"50\% of \textasciitilde{}a\_b\textasciicircum{}c \& \$d" in made.bibtex


@pytest.fixture(scope="module", params=[None, "https://example.org/atlas/"])
def citations(request, tmp_path_factory):
    names = ("demo-clip", "ViT-B-32_openai")
    atlas = read_atlas(write_bundle(tmp_path_factory.mktemp("cite"), names=names, images=3))
    return {page.path: page.citation(Urls(request.param)) for page in pages_of(atlas)}


def test_every_page_can_be_cited_and_has_a_key_of_its_own(citations):
    assert [path for path, citation in citations.items() if citation is None] == ["404.html"]
    keys = [
        re.match(r"@misc\{([^,{}%#\s]+),\n", cited.bibtex) for cited in citations.values() if cited
    ]
    assert all(keys)
    assert len({key[1].casefold() for key in keys}) == len(keys)
