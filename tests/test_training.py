"""The training loop: that it resumes, what it sees, and what the committed model knows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from clipheads.demo_world.clip import batches, demo_model, evaluation, training
from clipheads.demo_world.clip.evaluation import evaluate
from clipheads.demo_world.clip.training import train_demo_clip
from clipheads.demo_world.world.scenes import Scene, sample_scene
from clipheads.model.load import load_model

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "patch_size": 32, "width": 32, "layers": 4, "head_width": 16},
    "text_cfg": {
        "context_length": 24, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1,
    },
}  # fmt: skip


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


def test_what_keeps_a_training_from_its_end_is_found_before_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "state.pt").write_bytes(b"half a state")
    wrong = {
        "cannot write there": (tmp_path / "file", tmp_path / "new", "cpu"),
        "state.pt: no state of this training": (tmp_path / "out", tmp_path / "work", "cpu"),
        "device 'hpu' cannot be used": (tmp_path / "out", tmp_path / "new", "hpu"),
    }
    for line, (out, work, device) in wrong.items():
        progress = _Notes()
        with pytest.raises(AtlasError, match=line):
            train_demo_clip(out, work, steps=1, device=device, progress=progress)  # type: ignore[arg-type]
        assert progress.steps == 0


def test_scenes_without_colour_are_trained_on_more_often_than_the_world_shows_them() -> None:
    first = batches.FIRST_TRAINING_SEED
    chosen = batches.scenes_to_train_on(first, np.random.default_rng(0), training.BATCH_SIZE)
    world = [sample_scene(first + i) for i in range(batches.CANDIDATES * training.BATCH_SIZE)]

    def share(scenes: list[Scene], style: str) -> float:
        return sum(scene.style == style for scene in scenes) / len(scenes)

    assert len({scene.seed for scene in chosen}) == len(chosen) == training.BATCH_SIZE
    assert {scene.seed for scene in chosen} <= {scene.seed for scene in world}
    for style in batches.SHAPE_STYLES:
        assert share(chosen, style) > 1.3 * share(world, style)
    assert share(chosen, "plain") > 0.3, "what is asked most must not be forgotten"


def test_an_interrupted_training_goes_on_and_the_model_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_model, "MODEL_CONFIG", TINY)
    monkeypatch.setattr(training, "BATCH_SIZE", 4)
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", 0)
    monkeypatch.setattr(evaluation, "SCENES", 20)
    out, work = tmp_path / "tiny-clip", tmp_path / "state"

    with pytest.raises(KeyboardInterrupt):
        train_demo_clip(out, work, steps=5, device="cpu", progress=_Notes(stop_after=3))
    again = _Notes()
    results = train_demo_clip(out, work, steps=5, device="cpu", progress=again)

    assert again.notes[0].startswith("goes on at step 2")
    assert set(results) >= {"object", "object top-5", "colour", "object, heads alone"}
    weights = load_file(out / "open_clip_model.safetensors")
    assert all(value.dtype == torch.float16 for value in weights.values())
    assert load_model(f"local-dir:{out}", device="cpu").architecture.layers == 4


def test_patches_are_left_out_until_the_last_fifth_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_model, "MODEL_CONFIG", TINY)
    monkeypatch.setattr(training, "BATCH_SIZE", 4)
    monkeypatch.setattr(evaluation, "SCENES", 4)
    seen: list[float] = []
    loss = training.training_loss

    def watched(clip: Any, *rest: Any) -> torch.Tensor:
        seen.append(clip.visual.patch_dropout.prob)
        return loss(clip, *rest)

    monkeypatch.setattr(training, "training_loss", watched)
    train_demo_clip(tmp_path / "clip", tmp_path / "state", steps=10, device="cpu")

    assert seen == [training.PATCH_DROPOUT] * 9 + [0.0]


def test_a_demo_clip_of_another_shape_is_trained_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "SCENES", 4)
    shape = {"layers": 4, "width": 64, "head_width": 16, "patch_size": 32}
    train_demo_clip(
        tmp_path / "clip", tmp_path / "state", steps=1, device="cpu", vision=shape, batch_size=4
    )
    architecture = load_model(f"local-dir:{tmp_path / 'clip'}", device="cpu").architecture

    assert (architecture.layers, architecture.heads, architecture.grid) == (4, 4, (2, 2))


@pytest.mark.parametrize("shape", [{"head_width": 50}, {"patch_size": 7}, {"width": 100}])
def test_a_shape_that_does_not_fit_is_refused_before_training(
    tmp_path: Path, shape: dict[str, int]
) -> None:
    with pytest.raises(AtlasError, match="does not divide"):
        train_demo_clip(tmp_path / "clip", tmp_path / "state", steps=1, vision=shape)
    assert not (tmp_path / "clip").exists()


def test_a_cpu_without_bf16_trains_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    for able in (True, False):
        monkeypatch.setattr(
            torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda able=able: able, raising=False
        )
        assert training.multiplies_bf16(torch.device("cpu")) is able
    assert training.multiplies_bf16(torch.device("cuda"))


def test_either_minutes_or_steps(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either minutes or steps"):
        train_demo_clip(tmp_path, tmp_path)


def test_the_committed_demo_clip_keeps_its_promise_on_unseen_scenes() -> None:
    folder = data_file("demo", "demo-clip")
    size = (folder / "open_clip_model.safetensors").stat().st_size
    config = json.loads((folder / "open_clip_config.json").read_text())
    model = load_model(f"local-dir:{folder}", device="cpu")
    preprocessing = demo_model.PREPROCESSING

    results = evaluate(
        model.clip, model.tokenize, preprocessing["mean"], preprocessing["std"], scenes=1000
    )

    assert size <= 25_000_000
    assert config["model_cfg"] == demo_model.MODEL_CONFIG
    assert model.architecture.grid[0] >= 8
    assert results["object"] >= 0.5
    assert results["colour"] >= 0.97
    assert results["style"] >= 0.93
    assert results["object, heads alone"] >= 0.9 * results["object"]
