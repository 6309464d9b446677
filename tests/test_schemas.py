"""The published schemas are those that the bundle's records follow."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from few_published import few_published_heads
from jsonschema import Draft202012Validator
from safetensors.numpy import load_file
from synthetic_bundle import edit_json, write_bundle
from synthetic_search import write_search
from synthetic_truth import write_truth

from clipheads.bundle.names import RESERVED_NAMES
from headatlas import urls
from headatlas.publish.schemas import RECORDS, schema_files
from headatlas.site import generate_site
from headatlas.urls import Urls

FILES = {
    "model": "demo-clip/model.json",
    "head-record": "demo-clip/heads/L0.H1.json",
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
    schema: dict[str, Any] = json.loads(schema_files(Urls())[urls.schema(name)])
    return schema


@pytest.mark.parametrize("name", FILES)
def test_a_record_follows_its_schema_and_a_wrong_one_does_not(atlas: Path, name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    record = json.loads((atlas / FILES[name]).read_text())

    assert list(validator.iter_errors(record)) == []
    assert list(validator.iter_errors(record | {"invented": 1}))
    required = schema["required"][0]
    assert list(validator.iter_errors({k: v for k, v in record.items() if k != required}))


def test_every_head_json_follows_its_published_schema(atlas: Path, tmp_path: Path) -> None:
    generate_site(atlas, tmp_path)
    files = list(tmp_path.glob("*/L*.H*/head.json"))
    assert len(files) > 300
    for file in files:
        record = json.loads(file.read_text())
        name = "published-head" if record.get("published_only") else "head"
        schema = json.loads((tmp_path / "schema" / f"{name}.json").read_text())
        validator = Draft202012Validator(schema)
        assert list(validator.iter_errors(record)) == []
        assert list(validator.iter_errors(record | {"invented": 1}))


def test_head_json_has_what_the_page_shows(atlas: Path, tmp_path: Path) -> None:
    shutil.copytree(atlas, tmp_path / "atlas")
    (tmp_path / "atlas/demo-clip").rename(tmp_path / "atlas/ViT-B-32_openai")
    model = json.loads((tmp_path / "atlas/ViT-B-32_openai/model.json").read_text())
    edit_json(tmp_path / "atlas/ViT-B-32_openai/model.json", name="ViT-B-32_openai")
    shutil.rmtree(tmp_path / "atlas/ViT-B-32_openai/search")
    with few_published_heads():
        generate_site(tmp_path / "atlas", tmp_path / "site")
    bundle = tmp_path / "atlas/ViT-B-32_openai"
    maps = load_file(bundle / "heatmaps.safetensors")["maps"]
    shares = sorted((head["variance_share"] for head in model["heads"]), reverse=True)
    for head in model["heads"]:
        record = json.loads((bundle / "heads" / f"{head['id']}.json").read_text())
        shown = json.loads(
            (tmp_path / "site/ViT-B-32_openai" / head["id"] / "head.json").read_text()
        )
        assert {key: shown[key] for key in record} == record
        assert shown["labeller"]["kind"] == model["labeller"]["kind"]
        assert shown["rank"] == 1 + shares.index(head["variance_share"])
        assert shown["heads"] == len(model["heads"])
        named = [m["map"] for row in record["descriptions"] + record["topics"] for m in row["maps"]]
        assert sorted(shown["heat_maps"]) == sorted({str(index) for index in named})
        for index in named:
            expected = maps[index].astype(float) / (1 + maps[index].size)
            largest = abs(expected).max()
            assert abs(expected - shown["heat_maps"][str(index)]).max() <= 0.005 * largest


def test_the_site_publishes_them_where_they_say_that_they_are(atlas: Path, tmp_path: Path) -> None:
    with few_published_heads():
        generate_site(atlas, tmp_path, "https://example.org/atlas/")

    for name in RECORDS:
        published = json.loads((tmp_path / "schema" / f"{name}.json").read_text())
        assert published["$id"] == f"https://example.org/atlas/schema/{name}.json"
        assert f"schema/{name}.json" in (tmp_path / "methods" / "index.html").read_text()
    assert "schema" in RESERVED_NAMES
