"""No model of an atlas takes the place of another unasked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from checkpoints import tiny_config, write_local_dir
from PIL import Image

from clipheads.bundle.errors import AtlasError, ModelError
from clipheads.model.names import refuse_one_name_twice
from clipheads.stages.build import BuildReport, build_model


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in ("ant", "bee", "cat"):
        pixels = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "pool.csv").write_text("text,property\na cat,animals\na dog,animals\n")
    return tmp_path / "photos"


def build(model: Path, photos: Path, called: str | None = None) -> BuildReport:
    return build_model(
        f"local-dir:{model}",
        gallery=photos,
        atlas=photos.parent / "atlas",
        called=called,
        descriptions=photos.parent / "pool.csv",
        device="cpu",
        profile=0,
    )


def weights(report: BuildReport) -> str:
    record = json.loads((report.folder / "model.json").read_text())
    sha256: str = record["weights"]["sha256"]
    return sha256


def test_two_folders_of_one_name_stay_two_models(tmp_path: Path, photos: Path) -> None:
    one = write_local_dir(tmp_path / "a" / "clip", tiny_config(), seed=1)
    other = write_local_dir(tmp_path / "b" / "clip", tiny_config(), seed=2)
    first = build(one, photos)
    before = weights(first)

    with pytest.raises(ModelError, match=r"holds another model of this name.*--name NAME"):
        build(other, photos)

    assert weights(first) == before
    second = build(other, photos, called="other")
    assert (first.model, second.model) == ("clip", "other")
    assert weights(first) == before != weights(second)
    assert set(build(one, photos).stages.values()) == {"unchanged"}


def test_a_folder_that_was_trained_anew_is_built_anew(tmp_path: Path, photos: Path) -> None:
    model = write_local_dir(tmp_path / "clip", tiny_config(), seed=1)
    before = weights(build(model, photos))
    write_local_dir(model, tiny_config(), seed=2)
    assert weights(build(model, photos)) != before


@pytest.mark.parametrize("age", ["as now", "of an earlier format"])
def test_a_copy_of_a_model_is_the_same_model(tmp_path: Path, photos: Path, age: str) -> None:
    model = write_local_dir(tmp_path / "clip", tiny_config())
    record = build(model, photos).folder / "model.json"
    if age != "as now":
        content = json.loads(record.read_text())
        record.write_text(json.dumps({"weights": content["weights"], "format": 1}))
    shutil.move(model, tmp_path / "elsewhere" / "clip")
    build(tmp_path / "elsewhere" / "clip", photos)


def test_names_that_differ_in_case_alone_are_refused(tmp_path: Path, photos: Path) -> None:
    build(write_local_dir(tmp_path / "a" / "clip", tiny_config()), photos)
    with pytest.raises(ModelError, match="take the two names for one"):
        build(write_local_dir(tmp_path / "b" / "CLIP", tiny_config()), photos)
    assert not (tmp_path / "atlas" / "CLIP").exists()


@pytest.mark.parametrize(
    "models",
    [
        ["local-dir:a/clip", "local-dir:b/clip"],
        ["local-dir:a/clip", "ViT-B-32_openai", "local-dir:b/CLIP/"],
        ["ViT-B-32_openai", "local-dir:mine/ViT-B-32_openai"],
    ],
)
def test_models_that_would_get_one_name_are_refused_before_anything_is_built(
    models: list[str],
) -> None:
    with pytest.raises(AtlasError, match="would both be called"):
        refuse_one_name_twice(models)


def test_one_model_may_be_named_twice() -> None:
    refuse_one_name_twice(["local-dir:a/clip", "local-dir:a/clip", "local-dir:b/other"])


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "two words", "-x"])
def test_a_name_that_no_folder_has_as_it_is_is_refused(
    name: str, tmp_path: Path, photos: Path
) -> None:
    with pytest.raises(ModelError, match=f"cannot be called '{name}'.*; try --name "):
        build(tmp_path / "no model is looked for", photos, called=name)
    assert not (tmp_path / "atlas").exists()
