"""A citation says which computation it cites, and no two pages share a BibTeX key."""

import re
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import bibtexparser
import pytest
import rispy
import yaml
from site_pages import pages_of
from synthetic_bundle import write_bundle

from headatlas import urls
from headatlas.atlas_reader import read_atlas
from headatlas.citation_formats import bibitem, bibtex, markdown, plain, ris
from headatlas.citations import HERE, METHOD, PAPER, YEAR, Reference, of_model, of_published
from headatlas.urls import Urls

BASE = Urls("https://example.org/atlas/")
FORMATS = (plain, bibtex, bibitem, markdown, ris)
RECORD = SimpleNamespace(
    name="ViT-B-32_openai",
    weights=SimpleNamespace(sha256="ab" * 32),
    gallery_sha256="cd" * 32,
    version="0.1.0",
)
HEAD = urls.head(RECORD.name, "L11.H7")


def read_bibtex(text):
    (entry,) = bibtexparser.parse_string(text).entries
    return entry.key, {field.key: field.value for field in entry.fields}


def test_in_every_format_a_citation_pins_address_weights_gallery_and_year():
    address = "https://example.org/atlas/ViT-B-32_openai/L11.H7/"
    made = of_model(RECORD, "head L11.H7 (animals & plants)").at(HEAD, BASE)
    for write in FORMATS:
        text = write(made.entry)
        assert address in text
        assert "sha256:abababababab" in text
        assert "sha256:cdcdcdcdcdcd" in text
        assert str(YEAR) in text


def test_a_bibtex_entry_is_read_as_it_was_meant():
    made = of_model(RECORD, "head L11.H7 (animals & plants)").at(HEAD, BASE)
    key, fields = read_bibtex(bibtex(made.entry))
    assert key == "clip-head-atlas:ViT-B-32_openai:L11.H7"
    assert fields["title"] == r"Head {L11.H7} (animals \& plants) of {ViT-B-32\_openai}"
    assert fields["author"] == "{CLIP Head Atlas}"
    assert fields["url"] == "https://example.org/atlas/ViT-B-32_openai/L11.H7/"


def test_ris_is_read_by_a_library_as_it_was_meant():
    made = of_model(RECORD, "head L11.H7 (animals & plants)").at(
        HEAD, Urls(BASE.base_url, "10.1/x")
    )
    (record,) = rispy.loads(ris(made.entry))
    assert record["type_of_reference"] == "ELEC"
    assert record["title"] == "Head L11.H7 (animals & plants) of ViT-B-32_openai"
    assert record["authors"] == ["CLIP Head Atlas"]
    assert record["year"] == str(YEAR)
    assert record["doi"] == "10.1/x"
    assert record["urls"] == ["https://example.org/atlas/ViT-B-32_openai/L11.H7/"]


def test_a_doi_is_in_every_format_if_there_is_one():
    with_doi = Urls(BASE.base_url, doi="10.5281/zenodo.1234")
    for write in FORMATS:
        assert "10.5281/zenodo.1234" in write(Reference("x").at(HEAD, with_doi).entry)
        assert "doi" not in write(Reference("x").at(HEAD, BASE).entry).lower()


def test_without_a_base_url_the_path_is_cited_and_no_url_is_invented():
    made = of_model(RECORD, "head L0.H0").at(urls.head(RECORD.name, "L0.H0"), Urls())
    for write in FORMATS:
        assert "://" not in write(made.entry)
        assert "L0.H0/ of this site" in write(made.entry)
    assert "url" not in read_bibtex(bibtex(made.entry))[1]


def test_a_page_that_learns_its_address_when_it_is_opened_cites_as_if_it_had_always_known_it():
    known = of_model(RECORD, "head L11.H7").at(HEAD, BASE)
    later = of_model(RECORD, "head L11.H7").at(HEAD, Urls())
    assert not any(form.later for form in known.forms)
    assert [form.later.replace(HERE, known.address) for form in later.forms] == [
        form.text for form in known.forms
    ]


def test_the_paper_is_an_entry_of_its_own_with_its_authors():
    made = of_published("m", "label of head L1.H2 (Art)").at(urls.head("m", "L1.H2"), BASE)
    assert made.source == PAPER
    assert of_model(RECORD, "heads").at(HEAD, BASE).source == METHOD
    key, fields = read_bibtex(bibtex(PAPER))
    assert key != made.entry.key
    assert (
        fields["author"]
        == "Madasu, Avinash and Gandelsman, Yossi and Lal, Vasudev and Howard, Phillip"
    )
    assert "Yossi Gandelsman, Alexei A. Efros and Jacob Steinhardt" in plain(METHOD)


def test_what_latex_reads_as_markup_is_escaped_and_braces_balance():
    made = Reference("50% of ~a_b^c & $d {e} \\f <g>").at(HEAD, BASE)
    escaped = r"50\% of \textasciitilde{}a\_b\textasciicircum{}c \& \$d \textbraceleft{}e"
    assert escaped in bibtex(made.entry)
    assert escaped in bibitem(made.entry)
    for text in (bibtex(made.entry), bibitem(made.entry)):
        assert not re.search(r"\\[{}]", text)
        assert text.count("{") == text.count("}")


def test_markdown_shows_a_title_as_it_is():
    made = Reference("a [b](c) *d* `e` <f>").at(HEAD, BASE)
    assert r"[A \[b\](c) \*d\* \`e\` \<f\>](<https://example.org/" in markdown(made.entry)


def test_the_citation_file_of_the_project_says_the_same():
    project = yaml.safe_load((Path(__file__).parents[1] / "CITATION.cff").read_text())
    assert project["version"] == version("clip-head-atlas")
    assert project["preferred-citation"]["version"] == version("clip-head-atlas")
    assert project["preferred-citation"]["year"] == YEAR
    cited = {(row["title"], row["url"], row["year"]) for row in project["references"]}
    assert cited == {(paper.title, paper.url, paper.year) for paper in (METHOD, PAPER)}


@pytest.fixture(scope="module", params=[None, "https://example.org/atlas/"])
def citations(request, tmp_path_factory):
    names = ("demo-clip", "ViT-B-32_openai")
    atlas = read_atlas(write_bundle(tmp_path_factory.mktemp("cite"), names=names, images=3))
    return {page.path: page.citation(Urls(request.param)) for page in pages_of(atlas)}


def test_every_page_can_be_cited_and_has_a_key_of_its_own(citations):
    assert [path for path, citation in citations.items() if citation is None] == ["404.html"]
    keys = [cited.entry.key for cited in citations.values() if cited]
    assert all(re.fullmatch(r"[^,{}%#\\\s]+", key) for key in keys)
    papers = [METHOD.key, PAPER.key]
    assert len({key.casefold() for key in keys + papers}) == len(keys) + 2
