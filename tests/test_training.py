"""The training loop: what its losses mean, that it resumes, and what the committed model knows."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clipheads.data_files import data_file
from clipheads.demo_world import training
from clipheads.demo_world.captions import Caption, attribute_captions, scene_attributes
from clipheads.demo_world.scenes import sample_scene
from clipheads.demo_world.training import also_true, evaluate, train_demo_clip, training_loss
from clipheads.models import load_model
from clipheads.open_clip_import import import_open_clip

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "patch_size": 32, "width": 32, "layers": 4, "head_width": 16},
    "text_cfg": {
        "context_length": 24, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1,
    },
}  # fmt: skip


def tiny_clip() -> torch.nn.Module:
    torch.manual_seed(0)
    open_clip = import_open_clip()
    clip: torch.nn.Module = open_clip.CLIP(
        embed_dim=16,
        vision_cfg=open_clip.CLIPVisionCfg(**TINY["vision_cfg"]),
        text_cfg=open_clip.CLIPTextCfg(**TINY["text_cfg"]),
    )
    return clip


def test_a_caption_is_no_negative_of_another_scene_that_it_is_true_of() -> None:
    scenes = [sample_scene(seed) for seed in range(12)]
    captions = [Caption("said of any", {}), Caption("of its own only", scene_attributes(scenes[1]))]
    captions += [next(c for c in attribute_captions(s) if "style" in c.claims) for s in scenes[2:]]

    spared = also_true(scenes, captions)

    assert spared[:, 0].tolist() == [False] + [True] * 11
    assert not spared[:, 1].any()
    for column, own in enumerate(scenes[2:], start=2):
        for row, other in enumerate(scenes):
            assert spared[row, column] == (row != column and other.style == own.style)


def test_the_loss_does_not_see_the_pairs_that_it_is_told_to_spare() -> None:
    clip = tiny_clip().eval()
    pixels = torch.randn(8, 3, 64, 64)
    tokens = torch.arange(1, 25).repeat(8, 1) + torch.arange(8)[:, None]
    all_others = ~torch.eye(8, dtype=torch.bool)

    assert training_loss(clip, pixels, tokens, all_others).item() == 0
    assert training_loss(clip, pixels, tokens, ~all_others & all_others).item() > 0


def test_the_loss_of_an_untrained_model_is_that_of_guessing() -> None:
    clip = tiny_clip()
    with torch.no_grad():
        clip.logit_scale.fill_(0)  # type: ignore[union-attr, operator]
        tokens = torch.arange(1, 25).repeat(32, 1) + torch.arange(32)[:, None]
        loss = training_loss(clip, torch.randn(32, 3, 64, 64), tokens, torch.zeros(32, 32).bool())

    # Every cross-entropy chooses one of 32 without knowing anything.
    assert float(loss) == pytest.approx(math.log(32), rel=0.05)


def test_the_second_loss_reaches_the_heads_but_not_the_last_mlp() -> None:
    clip = tiny_clip().eval()
    pixels = torch.randn(8, 3, 64, 64)
    with training._class_token_of_attention(clip.visual, 4) as heads:
        residual = training._residual_stream(clip.visual, pixels)
    kept = torch.stack(heads).sum(dim=0)
    last = clip.visual.transformer.resblocks[-1]  # type: ignore[union-attr, index]

    (gradient,) = torch.autograd.grad(
        kept.square().sum(), last.attn.out_proj.weight, retain_graph=True
    )
    assert gradient.abs().max() > 0
    with pytest.raises(RuntimeError, match=r"not have been used"):
        torch.autograd.grad(kept.sum(), last.mlp.c_proj.weight, retain_graph=True)
    assert residual.shape == kept.shape == (8, 32)


class _Notes:
    """A progress that keeps the notes and can stop the run after some steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.notes: list[str] = []
        self.stop_after = stop_after
        self.steps = 0

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[object]:
        def advance(steps: int) -> None:
            self.steps += steps
            if self.stop_after is not None and self.steps >= self.stop_after:
                raise KeyboardInterrupt

        yield advance

    def note(self, message: str) -> None:
        self.notes.append(message)


def test_an_interrupted_training_goes_on_and_the_model_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MODEL_CONFIG", TINY)
    monkeypatch.setattr(training, "BATCH_SIZE", 4)
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", 0)
    monkeypatch.setattr(training, "EVALUATION_SCENES", 20)
    out, work = tmp_path / "tiny-clip", tmp_path / "state"

    with pytest.raises(KeyboardInterrupt):
        train_demo_clip(out, work, steps=5, device="cpu", progress=_Notes(stop_after=3))
    again = _Notes()
    results = train_demo_clip(out, work, steps=5, device="cpu", progress=again)

    assert again.notes[0].startswith("goes on at step 2")
    assert set(results) >= {"object top-1", "object top-5", "colour", "style"}
    weights = load_file(out / "open_clip_model.safetensors")
    assert all(value.dtype == torch.float16 for value in weights.values())
    assert load_model(f"local-dir:{out}", device="cpu").architecture.layers == 4


def test_the_committed_demo_clip_keeps_its_promise_on_unseen_scenes() -> None:
    folder = data_file("demo", "demo-clip")
    size = (folder / "open_clip_model.safetensors").stat().st_size
    config = json.loads((folder / "open_clip_config.json").read_text())
    model = load_model(f"local-dir:{folder}", device="cpu")

    results = evaluate(model.clip, model.tokenize)

    assert size <= 25_000_000
    assert config["model_cfg"] == training.MODEL_CONFIG
    assert model.architecture.grid[0] >= 8
    assert model.architecture.d_head == 32
    assert results["object top-1"] >= 0.55
    assert results["colour"] >= 0.90
    assert results["style"] >= 0.85
