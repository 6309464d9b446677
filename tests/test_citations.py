"""A citation says which computation it cites."""

import re
from types import SimpleNamespace

from headatlas.citations import cite

RECORD = SimpleNamespace(
    name="ViT-B-32_openai",
    weights=SimpleNamespace(sha256="ab" * 32),
    gallery_sha256="cd" * 32,
    version="0.1.0",
)


def test_a_citation_pins_address_weights_and_gallery():
    address = "https://example.org/ViT-B-32_openai/L11.H7/"
    cited = cite(RECORD, "head L11.H7 (animals & plants)", address)
    for text in (cited.plain, cited.bibtex):
        assert address in text
        assert "abababababab" in text
        assert "cdcdcdcdcdcd" in text
    assert "title = {Head L11.H7 (animals \\& plants) of ViT-B-32\\_openai}" in cited.bibtex
    assert re.match(r"@misc\{[a-z0-9-]+,\n", cited.bibtex)
    assert cited.bibtex.count("{") == cited.bibtex.count("}")


def test_without_a_base_url_the_path_is_cited_and_no_url_is_invented():
    cited = cite(RECORD, "head L0.H0", "/ViT-B-32_openai/L0.H0/")
    assert "url =" not in cited.bibtex
    assert "/ViT-B-32_openai/L0.H0/" in cited.plain
