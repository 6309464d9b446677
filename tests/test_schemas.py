"""The published schemas are those that the bundle's records follow."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from synthetic_bundle import write_bundle
from synthetic_search import write_search
from synthetic_truth import write_truth

from clipheads.bundle import RESERVED_NAMES
from headatlas.schemas import RECORDS, schema_files
from headatlas.site import generate_site

FILES = {
    "model": "demo-clip/model.json",
    "head": "demo-clip/heads/L0.H1.json",
    "images": "demo-clip/images.json",
    "gallery": "gallery/manifest.json",
    "search": "demo-clip/search/search.json",
    "ground-truth": "demo-clip/ground-truth.json",
}


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    atlas = write_bundle(tmp_path_factory.mktemp("schemas") / "atlas", images=6)
    write_search(atlas)
    write_truth(atlas / "demo-clip")
    return atlas


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(schema_files(None)[f"schema/{name}.json"])
    return schema


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_follows_its_schema_and_a_wrong_one_does_not(atlas: Path, name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    record = json.loads((atlas / FILES[name]).read_text())

    assert list(validator.iter_errors(record)) == []
    assert list(validator.iter_errors(record | {"invented": 1}))
    required = schema["required"][0]
    assert list(validator.iter_errors({k: v for k, v in record.items() if k != required}))


def test_the_site_publishes_them_where_they_say_that_they_are(atlas: Path, tmp_path: Path) -> None:
    generate_site(atlas, tmp_path, "https://example.org/atlas/")

    for name in RECORDS:
        published = json.loads((tmp_path / "schema" / f"{name}.json").read_text())
        assert published["$id"] == f"https://example.org/atlas/schema/{name}.json"
        assert f"schema/{name}.json" in (tmp_path / "methods" / "index.html").read_text()
    assert "schema" in RESERVED_NAMES
