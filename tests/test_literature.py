"""Heads that publications name: only what exists, with its source, on the right model's pages."""

import json
from pathlib import Path

import pytest
from few_published import few_published_heads
from pydantic import ValidationError
from synthetic_bundle import edit_json, write_bundle

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.literature import LiteratureRecord
from headatlas.pages.literature import mentions
from headatlas.publish.check import check_site
from headatlas.site import generate_site

PATH = data_file("published", "literature.json")
LITERATURE = read_record(PATH, LiteratureRecord)
NAMED = "ViT-B-16_laion2b_s34b_b88k"


def changed(**fields: object) -> dict[str, object]:
    """The data file with other fields in its first list of heads."""
    content: dict[str, object] = json.loads(PATH.read_text("utf-8"))
    first, *others = LITERATURE.model_dump(mode="json")["named"]
    return content | {"named": [first | fields, *others]}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"heads": ["L12.H0"]}, "ViT-B-16 has no head L12.H0"),
        ({"heads": ["L11.H12"]}, "ViT-B-16 has no head L11.H12"),
        ({"heads": ["L11.H0", "L11.H0"]}, "L11.H0 appears twice"),
        ({"architecture": "ViT-Z-1"}, "architectures lacks ViT-Z-1"),
        ({"publication": "nobody-2020"}, "nobody-2020 is no publication"),
        ({"url": "http://example.org"}, "should match pattern"),
        ({"role": ""}, "should match pattern"),
    ],
)
def test_a_head_without_a_model_or_a_source_is_refused(
    fields: dict[str, object], reason: str
) -> None:
    LiteratureRecord.model_validate(changed())
    with pytest.raises(ValidationError, match=reason):
        LiteratureRecord.model_validate(changed(**fields))


def test_sources_are_files_at_a_commit_or_papers() -> None:
    for row in LITERATURE.named:
        owner, name, kind, commit, *_ = row.url.removeprefix("https://github.com/").split("/")
        assert (bool(owner), bool(name), kind, len(commit)) == (True, True, "blob", 40)


def test_a_head_is_named_in_the_model_with_these_weights_alone() -> None:
    roles = [mention.role for mention in mentions(LITERATURE, NAMED, "L11.H6")]
    assert roles == ["geolocation", "background in Waterbirds"]
    assert mentions(LITERATURE, "ViT-B-16_openai", "L11.H6") == ()
    assert mentions(LITERATURE, NAMED, "L0.H0") == ()
    assert {row.model for row in LITERATURE.named if row.pretrained is None} == {None}


def test_built_and_published_heads_say_who_names_them(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", names=(NAMED,), images=3, layers=12, heads=1)
    # Another file that is called like the pretrained weights is another model.
    weights = {"source": "laion2b_s34b_b88k", "sha256": "0" * 64}
    edit_json(atlas / NAMED / "model.json", weights=weights)
    with few_published_heads("L11.H0", "L11.H6", "L22.H12"):
        generate_site(atlas, tmp_path / "site")
        for model, head, role in [
            (NAMED, "L11.H0", "geolocation"),
            (NAMED, "L11.H6", "geolocation"),
            ("ViT-L-14_laion2b_s32b_b82k", "L22.H12", "image setting"),
        ]:
            folder = tmp_path / "site" / model / head
            page = (folder / "index.html").read_text()
            assert 'id="literature"' in page
            assert f"<b>{role}</b>: Yossi Gandelsman" in page
            data = json.loads((folder / "head.json").read_text())
            assert role in {mention["role"] for mention in data["literature"]}
        index = (tmp_path / "site/literature/index.html").read_text()
        assert f'<a href="../{NAMED}/L11.H0/index.html">L11.H0</a>' in index
        assert check_site(tmp_path / "site") == []

        edit_json(atlas / NAMED / "model.json", weights=weights | {"source": "model.pt"})
        generate_site(atlas, tmp_path / "site")
        assert (
            'id="literature"' not in (tmp_path / "site" / NAMED / "L11.H0/index.html").read_text()
        )
        index = (tmp_path / "site/literature/index.html").read_text()
        assert f"../{NAMED}/L11.H0" not in index


def test_the_list_has_each_head_and_is_there_as_data(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", images=3, layers=1, heads=1)
    with few_published_heads():
        generate_site(atlas, tmp_path / "site")
    page = (tmp_path / "site/literature/index.html").read_text()
    for row in LITERATURE.named:
        assert row.url in page
        assert f'<th scope="row">{row.role}</th><td>{row.model or row.architecture}' in page
        assert all(head in page for head in row.heads)
    assert read_record(tmp_path / "site/literature/literature.json", LiteratureRecord) == LITERATURE
