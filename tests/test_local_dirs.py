"""A model of one's own is a folder, of which every odd setting is named in one clear line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import TINY, tiny_config, tiny_model, write_local_dir
from model_loading import failure, features
from PIL import Image
from safetensors.torch import load_file

from clipheads.bundle.errors import ModelError
from clipheads.model import load
from clipheads.model.load import load_model


def test_a_configuration_may_ask_for_quick_gelu(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "quick", {**TINY, "quick_gelu": True})
    assert load_model(f"local-dir:{folder}", device="cpu").architecture.quick_gelu


def test_the_name_of_a_local_dir_is_the_folders(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "my-clip")
    assert model.name == model.weights.source == "my-clip"
    assert model.architecture.model_dump() == {
        "layers": 3,
        "heads": 2,
        "d_head": 32,
        "width": 64,
        "embedding_dim": 48,
        "image_size": 64,
        "patch_size": 16,
        "grid": (4, 4),
        "quick_gelu": False,
        "parameters": sum(p.numel() for p in model.clip.visual.parameters()),
    }


def test_pictures_and_texts_become_what_the_model_takes(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "prepared", TINY)
    preprocessing = {"mean": [0, 0, 0], "std": [0.5, 0.5, 0.5]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": TINY, "preprocess_cfg": preprocessing})
    )
    model = load_model(f"local-dir:{folder}", device="cpu")
    pixels = model.preprocess(Image.new("RGB", (90, 70), (255, 255, 255)))
    torch.testing.assert_close(pixels, torch.full((3, 64, 64), 2.0))
    assert model.tokenize(["a dog", "two cats"]).shape == (2, 16)


def test_half_precision_weights_and_weights_in_bin_are_read(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "half", TINY)
    safetensors = folder / "open_clip_model.safetensors"
    exact = features(load_model(f"local-dir:{folder}", device="cpu"))
    half = {key: value.half() for key, value in load_file(safetensors).items()}
    safetensors.unlink()
    torch.save(half, folder / "open_clip_pytorch_model.bin")
    model = load_model(f"local-dir:{folder}", device="cpu")
    assert features(model).dtype == torch.float32
    torch.testing.assert_close(features(model), exact, rtol=0, atol=0.05)


def test_a_local_dir_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no folder" in failure(f"local-dir:{tmp_path / 'gone'}")


def test_a_local_dir_that_cannot_be_looked_for_is_one_line() -> None:
    for path in ("~nosuchuser/x", "x" * 300):
        assert "cannot be read (" in failure(f"local-dir:{path}")
    assert "cannot be read (File name too long)" in failure("ViT-B-32", checkpoint=Path("x" * 300))


def test_a_local_dir_without_configuration(tmp_path: Path) -> None:
    assert "has no open_clip_config.json" in failure(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model_cfg": {"embed_dim": 3}}'])
def test_a_local_dir_with_a_broken_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(text)
    assert "a model description has model_cfg with" in failure(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("tower", ["vision_cfg", "text_cfg"])
@pytest.mark.parametrize("size", ["layers", "width"])
def test_a_configuration_far_larger_than_its_weights_takes_no_memory_and_no_time(
    tmp_path: Path, tower: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_local_dir(tmp_path / "huge", TINY)
    config = {**TINY, tower: {**TINY[tower], size: 900_000}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    # Were it made, it would fill the memory of the machine that runs the test.
    monkeypatch.setattr(load, "_build", lambda *_: pytest.fail("the model is made"))
    with pytest.raises(ModelError, match="does not fit huge: it holds"):
        load_model(f"local-dir:{folder}", device="cpu")


def test_a_local_dir_with_an_impossible_configuration(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "odd", TINY)
    config = tiny_config(depth=7)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    message = failure(f"local-dir:{folder}")
    assert "model_cfg: vision_cfg: depth: Extra inputs are not permitted" in message


@pytest.mark.parametrize(
    "settings",
    [
        {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}},
        {"tokenizer_kwargs": {"bpe_path": "/etc/passwd"}},
        {"hf_model_name": "x/y", "hf_model_pretrained": False},
        {"tokenizer_mode": "clips"},
    ],
)
def test_a_model_folder_cannot_choose_code_that_runs(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_local_dir(tmp_path / "foreign", TINY)
    config = {**TINY, "text_cfg": {**TINY["text_cfg"], **settings}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    message = failure(f"local-dir:{folder}")
    assert f"text_cfg: {next(iter(settings))}: " in message
    assert "transformers library, which may run Python of the folder" in message


ODD = {
    "vision": {"vision_cfg": 3},
    "norm": {"vision_cfg": {**TINY["vision_cfg"], "norm_kwargs": [1]}},
    "norm argument": {"vision_cfg": {**TINY["vision_cfg"], "norm_kwargs": {"device": "cuda"}}},
    "layers": {"vision_cfg": {**TINY["vision_cfg"], "layers": 10**12}},
    "pair": {"vision_cfg": {**TINY["vision_cfg"], "image_size": [64, 64, 64]}},
    "tokens": {"text_cfg": {**TINY["text_cfg"], "output_tokens": True}},
    "number": {"embed_dim": "48"},
    "unknown": {"_target_": "os.system"},
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_an_odd_setting_of_a_model_folder_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "odd", TINY)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**TINY, **change}}))
    message = failure(f"local-dir:{folder}")
    assert f"open_clip_config.json: model_cfg: {next(iter(change))}: " in message


@pytest.mark.parametrize(
    "change",
    [
        {"std": [0, 0, 0]},
        {"std": [0.5, 0.5]},
        {"mean": "grey"},
        {"mean": [float("nan")] * 3},
        {"interpolation": "magic"},
        {"resize_mode": 7},
        {"fill_color": -1},
    ],
)
def test_an_odd_preprocessing_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "odd", TINY)
    content = {"model_cfg": TINY, "preprocess_cfg": change}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    assert f"preprocess_cfg: {next(iter(change))}" in failure(f"local-dir:{folder}")


def test_texts_that_the_model_has_no_words_for_show_before_a_build(tmp_path: Path) -> None:
    config = {**TINY, "text_cfg": {**TINY["text_cfg"], "vocab_size": 100}}
    folder = write_local_dir(tmp_path / "odd", config)
    assert "cannot embed a picture and a text" in failure(f"local-dir:{folder}")


def test_a_local_dir_without_weights_is_an_error_and_not_a_random_model(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "bare", TINY)
    (folder / "open_clip_model.safetensors").unlink()
    assert "found none" in failure(f"local-dir:{folder}")
