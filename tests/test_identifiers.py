"""A DOI and a licence are read in the forms in which people have them, and refused otherwise."""

import pytest

from clipheads.bundle.errors import AtlasError
from headatlas.publish.identifiers import parse_doi, parse_licence


@pytest.mark.parametrize("text", ["10.5281/zenodo.1234", "https://doi.org/10.5281/zenodo.1234"])
def test_a_doi_is_read_with_its_address_or_without(text):
    assert parse_doi(text) == "10.5281/zenodo.1234"
    assert parse_doi(f" DOI:{parse_doi(text)}") == parse_doi(text)


@pytest.mark.parametrize("text", ["", "zenodo.1234", "10.5281", "10.5281/a b", '10.5281/"x"'])
def test_what_is_no_doi_is_refused(text):
    with pytest.raises(AtlasError, match="not a DOI; give one such as 10"):
        parse_doi(text)


def test_a_licence_is_an_address_or_a_name_of_spdx():
    assert parse_licence("CC-BY-4.0") == "https://spdx.org/licenses/CC-BY-4.0"
    assert parse_licence("https://example.org/terms") == "https://example.org/terms"
    for text in ("", "all rights reserved", "ftp://example.org/", "<b>"):
        with pytest.raises(AtlasError, match="not a licence"):
            parse_licence(text)
