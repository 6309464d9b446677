"""Models load with the weights and the activation that are theirs, or fail with one clear line."""

import hashlib
import json
import logging
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import TINY, random_clip, tiny_config, tiny_model, write_local_dir
from PIL import Image
from safetensors.torch import load_file, save_file

from clipheads.bundle.errors import ModelError
from clipheads.model import checkpoints, load
from clipheads.model.load import load_model
from clipheads.model.names import PAPER_MODELS
from clipheads.model.open_clip_import import import_open_clip
from clipheads.model.sources import pretrained_models
from clipheads.model.text import embed_texts, encode_text, texts_cut

TINY_NAME = "ViT-B-32"
"""The tests give this architecture a tiny configuration, so that its checkpoints are small."""


@pytest.fixture
def tiny_vit_b_32(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = import_open_clip().factory
    monkeypatch.setitem(factory._MODEL_CONFIGS, TINY_NAME, TINY)


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_vit_b_32: None) -> Path:
    file = tmp_path / "weights.pt"
    torch.save(random_clip(TINY).state_dict(), file)
    return file


def failure(name: str, **options: Any) -> str:
    """Return the message of the error, which must be one line."""
    with pytest.raises(ModelError) as caught:
        load_model(name, device="cpu", **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def features(model: Any) -> torch.Tensor:
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    return model.clip.encode_image(pixels)


def test_the_paper_models_are_known_and_supported() -> None:
    supported = {model.name for model in pretrained_models() if model.supported}
    assert set(PAPER_MODELS) <= supported


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("RN50_openai", "ResNet"),
        ("ViT-B-16-SigLIP_webli", "timm"),
        ("coca_ViT-B-32_laion2b_s13b_b90k", "attention"),
        ("ViT-H-14-CLIPA_datacomp1b", "averaging"),
    ],
)
def test_what_cannot_be_decomposed_is_listed_with_the_reason(name: str, reason: str) -> None:
    model = next(model for model in pretrained_models() if model.name == name)
    assert not model.supported
    assert reason in model.reason
    assert reason in failure(name)


def test_an_unknown_model_brings_close_matches() -> None:
    message = failure("ViT-B32_openai")
    assert "unknown model 'ViT-B32_openai'" in message
    assert "ViT-B-32_openai" in message


def test_an_unknown_tag_brings_tags_of_that_architecture() -> None:
    message = failure("ViT-L-14_laion2b_s32b")
    assert "ViT-L-14_laion2b_s32b_b82k" in message


def test_an_architecture_without_weights_is_an_error_and_not_a_random_model() -> None:
    assert "unknown model 'ViT-B-32'" in failure("ViT-B-32")


def test_names_with_hyphens_and_tags_with_underscores_are_taken_apart(checkpoint: Path) -> None:
    name = "ViT-B-32_datacomp_m_s128m_b4k"
    model = load_model(name, checkpoint=checkpoint, device="cpu")
    assert model.name == name
    assert not model.architecture.quick_gelu


def test_weights_of_ones_own_may_have_any_tag(checkpoint: Path) -> None:
    for name in ("ViT-B-32", "ViT-B-32_mine"):
        assert load_model(name, checkpoint=checkpoint, device="cpu").name == name


def test_openai_weights_get_quick_gelu_from_a_local_file_too(checkpoint: Path) -> None:
    openai = load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")
    expected = random_clip({**TINY, "quick_gelu": True}).eval()
    assert openai.architecture.quick_gelu
    with torch.no_grad():
        pixels = torch.randn(2, 3, 64, 64)
        assert torch.equal(openai.clip.encode_image(pixels), expected.encode_image(pixels))


def test_other_weights_get_plain_gelu(checkpoint: Path) -> None:
    openai = load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")
    other = load_model("ViT-B-32_laion2b_s34b_b79k", checkpoint=checkpoint, device="cpu")
    assert not other.architecture.quick_gelu
    assert not torch.allclose(features(openai), features(other), atol=1e-5)


def test_every_tag_gets_the_activation_that_open_clip_records(checkpoint: Path) -> None:
    open_clip = import_open_clip()
    tags = [tag for model, tag in open_clip.list_pretrained() if model == TINY_NAME]
    assert {"openai", "metaclip_400m", "laion400m_e32"} <= set(tags)
    for tag in ("openai", "metaclip_400m", "laion400m_e32"):
        model = load_model(f"{TINY_NAME}_{tag}", checkpoint=checkpoint, device="cpu")
        recorded = open_clip.get_pretrained_cfg(TINY_NAME, tag).get("quick_gelu", False)
        assert model.architecture.quick_gelu == recorded


def test_a_configuration_may_ask_for_quick_gelu(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "quick", {**TINY, "quick_gelu": True})
    assert load_model(f"local-dir:{folder}", device="cpu").architecture.quick_gelu


def test_openais_own_archive_brings_quick_gelu(
    tmp_path: Path, tiny_vit_b_32: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ViT-B-32.pt"
    write_openai_archive(file, monkeypatch)
    model = load_model("ViT-B-32_mine", checkpoint=file, device="cpu")
    assert model.architecture.quick_gelu


def write_openai_archive(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write weights in the layout of OpenAI's downloads, and let them count as one of these.

    The layout is TorchScript in half precision, with three constants.
    """

    class Archive(torch.nn.Module):
        def __init__(self, clip: torch.nn.Module) -> None:
            super().__init__()
            for name, child in clip.named_children():
                self.add_module(name, torch.nn.Module())
                for key, value in child.state_dict().items():
                    place = getattr(self, name)
                    *path, leaf = key.split(".")
                    for step in path:
                        if not hasattr(place, step):
                            place.add_module(step, torch.nn.Module())
                        place = getattr(place, step)
                    place.register_buffer(leaf, value.half())
            for key, value in clip.named_parameters(recurse=False):
                self.register_buffer(key, value.data.half())
            for key in ("input_resolution", "context_length", "vocab_size"):
                self.register_buffer(key, torch.tensor(64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    torch.jit.script(Archive(random_clip(TINY))).save(str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(checkpoints, "openai_archives", lambda: frozenset({digest}))


def test_every_layout_gives_the_same_model(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint)
    layouts: dict[str, Any] = {
        "plain.pth": state,
        "plain.bin": state,
        "training.pt": {"epoch": 3, "state_dict": state},
        "parallel.pt": {"state_dict": {f"module.{key}": state[key] for key in state}},
    }
    for name, content in layouts.items():
        torch.save(content, tmp_path / name)
    save_file(state, tmp_path / "plain.safetensors")
    expected = features(load_model("ViT-B-32", checkpoint=checkpoint, device="cpu"))
    for name in [*layouts, "plain.safetensors"]:
        model = load_model("ViT-B-32", checkpoint=tmp_path / name, device="cpu")
        assert torch.equal(features(model), expected), name
        assert model.weights.source == name
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert model.weights.sha256 == digest


def test_openais_archive_holds_the_same_weights(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_openai_archive(tmp_path / "archive.pt", monkeypatch)
    ours = load_model("ViT-B-32_openai", checkpoint=tmp_path / "archive.pt", device="cpu")
    plain = load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")
    torch.testing.assert_close(features(ours), features(plain), rtol=0, atol=0.05)
    assert features(ours).dtype == torch.float32


def test_a_model_is_frozen_and_in_evaluation_mode(checkpoint: Path) -> None:
    model = load_model("ViT-B-32", checkpoint=checkpoint, device="cpu")
    assert not model.clip.training
    assert not any(parameter.requires_grad for parameter in model.clip.parameters())
    assert {parameter.dtype for parameter in model.clip.parameters()} == {torch.float32}


def test_a_custom_text_tower_takes_weights_in_either_layout(tmp_path: Path) -> None:
    config = {**TINY, "custom_text": True}
    folder = tmp_path / "custom"
    write_local_dir(folder, TINY)
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    )
    custom = load_model(f"local-dir:{folder}", device="cpu")
    plain = tiny_model(tmp_path / "plain")
    assert type(custom.clip).__name__ == "CustomTextCLIP"
    assert torch.equal(features(custom), features(plain))
    assert torch.allclose(embed_texts(custom, ["a dog"]), embed_texts(plain, ["a dog"]), atol=1e-6)


def test_the_first_tensor_that_does_not_fit_is_named_with_both_shapes(
    tmp_path: Path, tiny_vit_b_32: None
) -> None:
    file = tmp_path / "b16.pt"
    torch.save(random_clip(tiny_config(patch_size=8)).state_dict(), file)
    message = failure("ViT-B-32_openai", checkpoint=file)
    assert f"{file} does not fit ViT-B-32_openai" in message
    assert "visual.positional_embedding is [65, 64], expected [17, 64]" in message


def test_missing_and_foreign_tensors_are_named(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint)
    projection = state.pop("visual.proj")
    torch.save(state, tmp_path / "missing.pt")
    assert "visual.proj [64, 48] is missing" in failure(
        "ViT-B-32", checkpoint=tmp_path / "missing.pt"
    )
    torch.save({**state, "visual.proj": projection, "extra": projection}, tmp_path / "more.pt")
    assert "extra [64, 48] is not part of the model" in failure(
        "ViT-B-32", checkpoint=tmp_path / "more.pt"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    message = failure("ViT-B-32_openai", checkpoint=tmp_path / "gone.pt")
    assert f"there is no checkpoint file {tmp_path / 'gone.pt'}" in message


@pytest.mark.parametrize("name", ["noise.pt", "noise.safetensors", "empty.bin"])
def test_a_file_that_is_no_checkpoint(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"not weights" * 50)
    assert "is not a checkpoint" in failure("ViT-B-32_openai", checkpoint=tmp_path / name)


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "path": tmp_path}, tmp_path / "pickle.pt")
    assert "read safely" in failure("ViT-B-32_openai", checkpoint=tmp_path / "pickle.pt")


def test_torchscript_of_anybody_else_is_never_run(tmp_path: Path) -> None:
    """Loading it would: TorchScript may write files, here from `__setstate__`."""

    class Writes(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ran = ""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

        @torch.jit.export
        def __getstate__(self) -> tuple[str, bool]:
            return self.ran, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[str, bool]) -> None:
            self.ran = state[0]
            self.training = state[1]
            torch.save([self.ran], self.ran)

    module = Writes()
    module.ran = str(tmp_path / "written")
    torch.jit.script(module).save(str(tmp_path / "ViT-B-32.pt"))
    torch.jit.load(tmp_path / "ViT-B-32.pt")
    assert (tmp_path / "written").exists()
    (tmp_path / "written").unlink()

    message = failure("ViT-B-32_openai", checkpoint=tmp_path / "ViT-B-32.pt")

    assert not (tmp_path / "written").exists()
    assert "is a TorchScript archive, which is a program and is not run" in message
    assert "none of OpenAI's" in message


def test_the_hashes_of_openais_archives_stand_in_open_clips_addresses() -> None:
    known = checkpoints.openai_archives()
    assert "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af" in known
    assert len(known) >= 9


def test_a_checkpoint_without_tensors(tmp_path: Path) -> None:
    for name, content in {"list.pt": [1, 2], "numbers.pt": {0: torch.ones(2)}}.items():
        torch.save(content, tmp_path / name)
        assert "holds no state dict" in failure("ViT-B-32", checkpoint=tmp_path / name)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("text_projection", float("nan"), "numbers that are not finite"),
        ("token_embedding.weight", float("inf"), "numbers that are not finite"),
        ("transformer.resblocks.0.attn.in_proj_bias", float("nan"), "numbers that are not finite"),
        ("logit_scale", float("nan"), "numbers that are not finite"),
        ("text_projection", 0.0, "is zero everywhere"),
        ("visual.proj", 0.0, "is zero everywhere"),
        ("ln_final.weight", 0.0, "is zero everywhere"),
    ],
)
def test_damaged_weights_are_named_wherever_they_are(
    checkpoint: Path, name: str, value: float, reason: str
) -> None:
    state = torch.load(checkpoint)
    state[name].fill_(value)
    torch.save(state, checkpoint)
    message = failure("ViT-B-32", checkpoint=checkpoint)
    assert f"{name}" in message
    assert reason in message


def test_biases_may_be_zero(checkpoint: Path) -> None:
    state = torch.load(checkpoint)
    for name in state:
        if name.endswith("bias"):
            state[name].zero_()
    torch.save(state, checkpoint)
    load_model("ViT-B-32", checkpoint=checkpoint, device="cpu")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensor: tensor.to(torch.complex64), "not floating-point"),
        (lambda tensor: tensor.to(torch.int8), "not floating-point"),
        (lambda tensor: tensor.to_sparse(), "no plain tensor"),
        (lambda tensor: tensor.to("meta"), "no plain tensor"),
    ],
)
def test_tensors_of_another_kind_are_one_line(
    checkpoint: Path, change: Callable[[torch.Tensor], torch.Tensor], reason: str
) -> None:
    state = torch.load(checkpoint)
    state["visual.proj"] = change(state["visual.proj"])
    torch.save(state, checkpoint)
    assert reason in failure("ViT-B-32", checkpoint=checkpoint)


def test_weights_that_overflow_show_before_a_build(checkpoint: Path) -> None:
    state = torch.load(checkpoint)
    state["ln_final.weight"].fill_(3e38)
    torch.save(state, checkpoint)
    assert "the embedding of a text is zero or not finite" in failure(
        "ViT-B-32", checkpoint=checkpoint
    )


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


@pytest.mark.parametrize(
    ("vision", "reason"),
    [
        ({"pool_type": "avg"}, "averaging"),
        ({"attentional_pool": True}, "attention"),
        ({"layers": [2, 2, 2, 2]}, "ResNet"),
        ({"image_size": [64, 32]}, "not square"),
        ({"timm_model_name": "vit_tiny_patch16_224"}, "timm"),
        ({"scale_heads": True}, "scale_heads"),
        ({"block_type": "custom"}, "custom"),
        ({"norm_kwargs": {"elementwise_affine": False}}, "LayerNorm"),
    ],
)
def test_unsupported_vision_towers_are_refused_with_the_reason(
    vision: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    config = {"model_cfg": tiny_config(**vision)}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    message = failure(f"local-dir:{tmp_path}")
    assert "cannot be decomposed exactly" in message
    assert reason in message


def test_an_unknown_or_absent_device(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "tiny", TINY)
    absent = "toaster" if torch.cuda.is_available() else "cuda"
    for name in ("toaster", "hpu", "privateuseone", "meta", absent):
        with pytest.raises(ModelError, match=f"device '{name}' cannot be used here"):
            load_model(f"local-dir:{folder}", device=name)


def test_auto_takes_what_is_there(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "tiny", TINY)
    model = load_model(f"local-dir:{folder}")
    assert model.device.type in ("cpu", "cuda", "mps")
    assert next(model.clip.parameters()).device.type == model.device.type


def test_a_failed_download_says_what_was_tried_and_what_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(import_open_clip(), "download_pretrained", refuse)
    message = failure("ViT-B-16_openai")
    record = import_open_clip().get_pretrained_cfg("ViT-B-16", "openai")
    assert f"hf-hub:{record['hf_hub']}" in message
    assert record["url"] in message
    assert "--checkpoint FILE" in message


def test_without_a_network_a_download_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library alone would retry for most of a minute."""
    attempts = []

    def refuse(*_args: object, **_options: object) -> None:
        attempts.append(1)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    offline = import_module("huggingface_hub.constants").HF_HUB_OFFLINE
    assert "(no connection)" in failure("ViT-B-32_laion2b_s34b_b79k")
    assert len(attempts) <= 2
    assert offline == import_module("huggingface_hub.constants").HF_HUB_OFFLINE


def test_downloaded_weights_are_used_under_their_tag(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    asked = []

    def fetch(record: dict[str, Any], **_options: object) -> str:
        asked.append(record["hf_hub"] or record["url"])
        if record["hf_hub"]:
            raise OSError("the hub is down")
        return str(checkpoint)

    monkeypatch.setattr(import_open_clip(), "download_pretrained", fetch)
    model = load_model("ViT-B-32_openai", device="cpu")
    assert asked[-1].startswith("https://")
    assert set(asked[:-1]) == {import_open_clip().get_pretrained_cfg(TINY_NAME, "openai")["hf_hub"]}
    assert model.weights.source == "openai"
    assert model.architecture.quick_gelu


def test_weights_in_the_cache_need_no_network(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    constants = import_module("huggingface_hub.constants")

    def fetch(_record: dict[str, Any], **_options: object) -> str:
        assert constants.HF_HUB_OFFLINE
        return str(checkpoint)

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(import_open_clip(), "download_pretrained", fetch)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert load_model("ViT-B-32_openai", device="cpu").weights.source == "openai"
    assert not constants.HF_HUB_OFFLINE


def test_local_weights_need_no_network(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")


def test_loading_says_nothing(
    checkpoint: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    level = logging.root.manager.disable
    load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn.list
    assert logging.root.manager.disable == level


def test_text_embeddings_are_unit_rows_of_open_clips_own(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    texts = [f"a photo of {count} dogs" for count in range(7)]
    rows = embed_texts(model, texts, batch_size=3)
    assert rows.dtype == torch.float32
    assert rows.shape == (7, 48)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(7))
    expected = model.clip.encode_text(model.tokenize(texts), normalize=True)
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-6)
    assert embed_texts(model, []).shape == (0, 48)


def test_leaving_out_the_padding_changes_no_text_embedding(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    texts = ["a cat", "two dogs on a red striped background at night", "a", "an owl"]
    with torch.no_grad():
        whole = torch.nn.functional.normalize(model.clip.encode_text(model.tokenize(texts)), dim=-1)

    assert torch.allclose(embed_texts(model, texts, batch_size=2), whole, atol=1e-6)
    assert embed_texts(model, []).shape == (0, model.architecture.embedding_dim)


@pytest.mark.parametrize(
    ("own_module", "text"),
    [
        (False, {}),
        (False, {"no_causal_mask": True}),
        (True, {}),
        (True, {"proj_bias": True}),
        (True, {"proj_type": "none", "width": 48, "heads": 2}),
        (True, {"pool_type": "first"}),
        (True, {"embed_cls": True, "pool_type": "last"}),
    ],
)
def test_every_kind_of_text_tower_is_read_as_open_clip_does(
    own_module: bool, text: dict[str, Any]
) -> None:
    open_clip = import_open_clip()
    kind = open_clip.CustomTextCLIP if own_module else open_clip.CLIP
    torch.manual_seed(0)
    clip = kind(**{**TINY, "text_cfg": {**TINY["text_cfg"], **text}}).eval()
    context = TINY["text_cfg"]["context_length"]
    tokens = open_clip.get_tokenizer("ViT-B-32", context_length=context)(["a cat", "two dogs"])
    with torch.no_grad():
        torch.testing.assert_close(
            encode_text(clip, tokens), clip.encode_text(tokens), rtol=0, atol=1e-5
        )


def test_texts_that_are_longer_than_the_context_are_named(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny")
    context = TINY["text_cfg"]["context_length"]
    whole, longer = "cat " * (context - 2), "cat " * (context - 1)
    assert texts_cut(model, [whole, longer, "a"]) == [longer]
    assert texts_cut(model, []) == []
