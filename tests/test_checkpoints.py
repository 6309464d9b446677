"""Checkpoints of every layout give the same model, and damaged ones fail with one clear line."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import TINY, random_clip, tiny_config, tiny_model, write_local_dir
from model_loading import failure, features
from safetensors.torch import save_file

from clipheads.model import checkpoints
from clipheads.model.load import load_model
from clipheads.model.text import embed_texts


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
