"""A bundle is read whole or refused in one line that says what to do."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from synthetic_bundle import edit_json, write_bundle, write_gallery

from clipheads.bundle.errors import BundleError
from clipheads.bundle.progress import Silent
from headatlas.atlas_reader import read_atlas


@pytest.fixture
def atlas(tmp_path):
    return write_bundle(tmp_path / "atlas", images=5, layers=1, heads=2)


def refusal(atlas):
    with pytest.raises(BundleError) as refused:
        read_atlas(atlas)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_a_whole_bundle_is_read_in_the_order_of_its_record(atlas):
    read = read_atlas(atlas)
    (model,) = read.models
    assert [head.id for head in model.heads] == [head.id for head in model.record.heads]
    assert model.neighbours.shape == model.scores.shape == (2, 5, 4)


def test_maps_are_read_in_the_unit_that_the_methods_page_defines(atlas):
    # Stored is tokens × ⟨c of the patch, text⟩; an image has 8 · 8 patches and a class token.
    stored = load_file(atlas / "demo-clip" / "heatmaps.safetensors")["maps"]
    (model,) = read_atlas(atlas).models
    assert model.maps == pytest.approx(stored.astype(np.float32) / 65)


def test_nothing_there_says_what_to_run(tmp_path):
    assert "head-atlas demo" in refusal(tmp_path / "nowhere")
    write_gallery(tmp_path, 2)
    assert "head-atlas build" in refusal(tmp_path)


def test_another_format_is_named(atlas):
    edit_json(atlas / "demo-clip" / "model.json", format=4)
    assert "bundle format 4, but this version reads format 3" in refusal(atlas)
    edit_json(atlas / "demo-clip" / "model.json", format=1)
    message = refusal(atlas)
    assert "built by an earlier version of head-atlas, in bundle format 1" in message
    assert message.endswith("rebuild it with `head-atlas build`")


def test_attention_over_other_patches_than_the_models_is_refused(atlas):
    head = atlas / "demo-clip" / "heads" / "L0.H0.json"
    patches = json.loads(head.read_text())["attention"][0]["patches"]
    count = len(patches) * len(patches[0])
    wide = {"class_token": 0.0, "patches": [[1 / count] * count]}
    edit_json(head, attention=[wide])
    assert "attention over other patches than the model's" in refusal(atlas)
    edit_json(head, attention=[{"class_token": 1.0, "patches": [[1.0]]}])
    assert "sum to 2.000, not to 1" in refusal(atlas)


def test_another_gallery_asks_for_a_rebuild(atlas):
    edit_json(atlas / "demo-clip" / "model.json", gallery_sha256="other")
    message = refusal(atlas)
    assert "another gallery" in message
    assert "rebuild" in message


def test_a_model_over_an_earlier_gallery_is_left_out_beside_one_over_this_gallery(atlas):
    shutil.copytree(atlas / "demo-clip", atlas / "earlier")
    edit_json(atlas / "earlier" / "model.json", name="earlier", gallery_sha256="other")
    notes = []

    class Notes(Silent):
        def note(self, message):
            notes.append(message)

    assert [model.record.name for model in read_atlas(atlas, Notes()).models] == ["demo-clip"]
    assert len(notes) == 1
    assert "earlier: built over another gallery" in notes[0]


@pytest.mark.parametrize(
    "path",
    [
        "gallery/manifest.json",
        "gallery/scene-0001.webp",
        "demo-clip/heads/L0.H1.json",
        "demo-clip/images.json",
        "demo-clip/neighbours.safetensors",
        "demo-clip/heatmaps.safetensors",
    ],
)
def test_a_missing_file_is_named(atlas, path):
    (atlas / path).unlink()
    assert path in refusal(atlas).replace("\\", "/")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff"])
def test_damaged_json_is_named(atlas, content):
    (atlas / "demo-clip" / "images.json").write_bytes(content)
    assert "images.json" in refusal(atlas)


def test_damaged_tensors_are_named(atlas):
    (atlas / "demo-clip" / "heatmaps.safetensors").write_bytes(b"no tensors")
    assert "heatmaps.safetensors" in refusal(atlas)


def test_tensors_of_another_shape_are_refused(atlas):
    wrong = np.zeros((2, 4, 4), np.int32)
    save_file(
        {"images": wrong, "scores": wrong.astype(np.float32)},
        atlas / "demo-clip" / "neighbours.safetensors",
    )
    assert "(2, 4, 4)" in refusal(atlas)


def test_a_record_that_names_what_is_not_there_is_refused(atlas):
    path = atlas / "demo-clip" / "heads" / "L0.H0.json"
    strongest = json.loads(path.read_text())["strongest"]
    strongest[0]["image"] = "no-such-image"
    edit_json(path, strongest=strongest)
    assert "no-such-image" in refusal(atlas)


def test_a_distribution_over_images_that_are_not_there_is_refused(atlas):
    path = atlas / "demo-clip" / "heads" / "L0.H0.json"
    spread = json.loads(path.read_text())["spread"]
    spread["principal"][-1]["values"]["tenths"][3]["samples"][0]["image"] = "no-such-image"
    edit_json(path, spread=spread)
    assert "no-such-image" in refusal(atlas)


def test_a_distribution_out_of_order_is_refused(atlas):
    path = atlas / "demo-clip" / "heads" / "L0.H0.json"
    spread = json.loads(path.read_text())["spread"]
    spread["label"]["values"]["quantiles"].reverse()
    edit_json(path, spread=spread)
    assert "not in their order" in refusal(atlas)


def test_a_map_beyond_the_tensor_is_refused(atlas):
    save_file({"maps": np.zeros((1, 8, 8), np.float16)}, atlas / "demo-clip/heatmaps.safetensors")
    assert "1 maps" in refusal(atlas)


def test_a_name_that_would_hide_the_methods_page_is_refused(atlas):
    (atlas / "demo-clip").rename(atlas / "methods")
    edit_json(atlas / "methods" / "model.json", name="methods")
    assert "cannot be called 'methods'" in refusal(atlas)


def test_a_build_under_way_is_left_out_and_said(atlas):
    notes = []

    class Notes(Silent):
        def note(self, message):
            notes.append(message)

    (atlas / "half-built").mkdir()
    assert [model.record.name for model in read_atlas(atlas, Notes()).models] == ["demo-clip"]
    assert "half-built" in notes[0]
