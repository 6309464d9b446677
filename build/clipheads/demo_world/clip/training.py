"""Trains the demo CLIP on scenes of the demo world; `losses.py` says for what."""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, Dataset

from clipheads.bundle.disk.atomic_files import ensure_writable
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.progress import Progress, Silent
from clipheads.demo_world.clip.evaluation import evaluate
from clipheads.demo_world.clip.losses import Clip, also_true, answers, training_loss
from clipheads.demo_world.world.captions import attribute_texts, caption
from clipheads.demo_world.world.scenes import Scene, draw_scene, sample_scene
from clipheads.demo_world.world.sprites import default_sprites
from clipheads.model.load import find_device
from clipheads.model.open_clip_import import import_open_clip

MODEL_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 64,
        "patch_size": 8,
        "width": 192,
        "layers": 6,
        "head_width": 32,
        "mlp_ratio": 4.0,
    },
    "text_cfg": {
        "context_length": 24,
        "vocab_size": 49408,
        "width": 128,
        "heads": 4,
        "layers": 3,
    },
}
"""The demo CLIP in open_clip's own words: class-token ViT with 6 layers of 6 heads."""

PREPROCESSING: dict[str, Any] = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
FIRST_TRAINING_SEED = 1_000_000
"""Scenes below this seed are never trained on: galleries and evaluations are drawn from them."""

BATCH_SIZE = 256
LEARNING_RATE = 1e-3
WARM_UP = 0.03
"""Share of the training in which the learning rate rises from nothing."""

PATCH_DROPOUT = 0.5
"""Share of the patches that a picture is trained without, at almost that share of the cost."""

WHOLE_PICTURES = 0.2
"""Share of the training, at its end, in which no patch is left out."""

SHAPE_STYLES = {"monochrome": 3.0, "sepia": 3.0, "line drawing": 6.0}
"""How much likelier than any other a scene in one of these styles is to be trained on.

Nothing but shape tells objects apart in them, and a model that sees them as rarely as the world
shows them learns objects by colour: trained so, one named 94 % of the objects in plain
pictures, 38 % in monochrome ones and 4 % in line drawings.
"""

CANDIDATES = 3
"""Scenes sampled for each that is trained on."""

SAVE_EVERY_SECONDS = 120


class Batch(NamedTuple):
    """What one training step sees."""

    pixels: Tensor
    """[B, side, side, 3] of uint8."""
    captions: Tensor
    """[B, context] tokens, a caption for each picture."""
    false_negatives: Tensor
    """[B, B] of bool, of `also_true`: pairs that the contrastive loss leaves out."""
    right: dict[str, Tensor]
    """The right answers to the questions, see `answers`."""


class _SceneBatches(Dataset[Batch]):
    """Batch number `i` of the endless training set, drawn when it is asked for."""

    def __init__(
        self, tokenizer: Callable[[list[str]], Tensor], side: int, size: int, first: int
    ) -> None:
        self.tokenizer, self.side, self.size, self.first = tokenizer, side, size, first
        self.texts = attribute_texts(default_sprites())

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> Batch:
        start = FIRST_TRAINING_SEED + (self.first + index) * self.size * CANDIDATES
        rng = np.random.default_rng(start)
        scenes = scenes_to_train_on(start, rng, self.size)
        pixels = np.stack([draw_scene(scene, self.side)[0] for scene in scenes])
        captions = [caption(scene, rng, self.texts) for scene in scenes]
        tokens = self.tokenizer([one.text for one in captions])
        false_negatives = also_true(scenes, captions)
        return Batch(torch.from_numpy(pixels), tokens, false_negatives, answers(scenes, self.texts))


def scenes_to_train_on(first_seed: int, rng: np.random.Generator, size: int) -> list[Scene]:
    """Choose a batch among the scenes of `CANDIDATES * size` seeds, see `SHAPE_STYLES`."""
    seeds = range(first_seed, first_seed + CANDIDATES * size)
    candidates = [sample_scene(seed) for seed in seeds]
    weights = np.array([SHAPE_STYLES.get(scene.style, 1.0) for scene in candidates])
    chosen = rng.choice(len(seeds), size, replace=False, p=weights / weights.sum())
    return [candidates[place] for place in chosen]


def train_demo_clip(
    out: Path,
    work: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    device: str = "auto",
    seed: int = 0,
    vision: Mapping[str, int] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train the demo CLIP from scratch, or go on from where a run in `work` stopped.

    Args:
        out: folder that receives `open_clip_config.json` and `open_clip_model.safetensors` (fp16).
        work: folder for the state of an unfinished run.
        minutes: training time; the learning rate falls to nothing over it.
        steps: number of batches instead of a time, for a run that can be repeated exactly.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the initial weights.
        vision: what differs in the vision transformer, in open_clip's words: "layers", "width",
            "head_width", "patch_size".
        batch_size: scenes in a batch; `BATCH_SIZE` by default.
        progress: told about steps, losses and evaluations.

    Returns:
        The evaluation of the saved model, see `evaluate`.

    Raises:
        ValueError: not exactly one of `minutes` and `steps` is given.
        AtlasError: a folder that cannot be written, a device that is not there, or a damaged state.
    """
    if (minutes is None) == (steps is None):
        raise ValueError("give either minutes or steps")
    config = model_config(vision or {})
    progress = progress or Silent()
    # Before the training, not after it.
    ensure_writable(out)
    ensure_writable(work)
    place = find_device(
        ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    )
    torch.manual_seed(seed)
    open_clip = import_open_clip()
    clip = open_clip.CLIP(**_clip_arguments(open_clip, config)).to(place)
    clip.visual.patch_dropout = open_clip.transformer.PatchDropout(PATCH_DROPOUT)
    tokenizer = open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"])
    texts = attribute_texts(default_sprites())
    questions = tokenizer([text for choices in texts.values() for text in choices.values()])
    questions = questions.to(place)
    optimizer = torch.optim.AdamW(_parameter_groups(clip), lr=LEARNING_RATE, betas=(0.9, 0.98))
    state_file = work / "state.pt"
    step, elapsed = 0, 0.0
    if state_file.exists():
        try:
            state = torch.load(state_file, map_location=place, weights_only=True)
            clip.load_state_dict(state["clip"])
            optimizer.load_state_dict(state["optimizer"])
            step, elapsed = int(state["step"]), float(state["elapsed"])
        except Exception as error:  # torch and pickle raise many kinds
            raise AtlasError(
                f"{state_file}: no state of this training ({type(error).__name__}); remove it to"
                " start again, or choose another --work"
            ) from error
        progress.note(f"goes on at step {step}, after {elapsed / 60:.1f} minutes of training")

    def save_state() -> None:
        torch.save(
            {
                "clip": clip.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "elapsed": elapsed,
            },
            state_file.with_suffix(".part"),
        )
        state_file.with_suffix(".part").replace(state_file)

    def finished_share() -> float:
        return step / steps if steps else elapsed / (60 * (minutes or math.inf))

    batches = DataLoader(
        _SceneBatches(
            tokenizer, config["vision_cfg"]["image_size"], batch_size or BATCH_SIZE, first=step
        ),
        batch_size=None,
        num_workers=max(1, min(14, (os.cpu_count() or 2) - 1)),
        prefetch_factor=4,
        persistent_workers=True,
    )
    # On a CPU the backward pass of fused attention costs more than writing the small matrices out.
    attention = (
        [SDPBackend.MATH]
        if place.type == "cpu"
        else [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    )
    mean = torch.tensor(PREPROCESSING["mean"], device=place).view(1, 3, 1, 1)
    std = torch.tensor(PREPROCESSING["std"], device=place).view(1, 3, 1, 1)
    total = steps or round(60 * (minutes or 0))
    last = last_save = last_note = time.monotonic()
    losses: list[float] = []
    clip.train()
    with progress.stage("training", total, "steps" if steps else "seconds") as advance:
        advance(step if steps else round(elapsed))
        for batch in batches:
            rate = LEARNING_RATE * _schedule(finished_share())
            for group in optimizer.param_groups:
                group["lr"] = rate
            if finished_share() > 1 - WHOLE_PICTURES:
                clip.visual.patch_dropout.prob = 0.0
            pixels = batch.pixels.to(place, non_blocking=True).permute(0, 3, 1, 2).float() / 255
            optimizer.zero_grad(set_to_none=True)
            with sdpa_kernel(attention):
                with torch.autocast(place.type, torch.bfloat16, enabled=multiplies_bf16(place)):
                    loss = training_loss(
                        clip,
                        (pixels - mean) / std,
                        batch.captions.to(place),
                        batch.false_negatives.to(place),
                        questions,
                        {name: shares.to(place) for name, shares in batch.right.items()},
                    )
                loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(clip.parameters(), 1.0)
            optimizer.step()
            clip.logit_scale.data.clamp_(0, math.log(100))
            losses.append(float(loss.detach()))
            now = time.monotonic()
            before, step, elapsed = round(elapsed), step + 1, elapsed + now - last
            last = now
            advance(1 if steps else round(elapsed) - before)
            if now - last_note > 60:
                progress.note(f"step {step}: loss {np.mean(losses[-100:]):.3f}")
                last_note = now
            if now - last_save > SAVE_EVERY_SECONDS:
                save_state()
                last_save = now
            if finished_share() >= 1:
                break
    save_state()
    clip.eval()
    save_demo_clip(clip, config, out)
    results = evaluate(clip, tokenizer, PREPROCESSING["mean"], PREPROCESSING["std"])
    progress.note(", ".join(f"{name} {value:.1%}" for name, value in results.items()))
    return results


def _schedule(share: float) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if share < WARM_UP:
        return max(share / WARM_UP, 0.01)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))


def _parameter_groups(clip: Clip) -> list[dict[str, Any]]:
    """Weight decay for matrices, none for biases, norms, embeddings and the temperature."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in clip.named_parameters():
        plain = parameter.ndim < 2 or "embedding" in name
        (free if plain else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": 0.1}, {"params": free, "weight_decay": 0.0}]


def model_config(vision: Mapping[str, int]) -> dict[str, Any]:
    """Return the demo CLIP's configuration with another vision transformer.

    Raises:
        AtlasError: if heads do not fill the width, or patches the picture.
    """
    config = {**MODEL_CONFIG, "vision_cfg": {**MODEL_CONFIG["vision_cfg"], **vision}}
    shape = config["vision_cfg"]
    for part, whole in (("head_width", "width"), ("patch_size", "image_size")):
        if shape[whole] % shape[part]:
            raise AtlasError(
                f"{part} {shape[part]} does not divide {whole} {shape[whole]}; choose one that does"
            )
    return config


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 in hardware; a CPU that does not is many times slower."""
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _clip_arguments(open_clip: Any, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "embed_dim": config["embed_dim"],
        "vision_cfg": open_clip.CLIPVisionCfg(**config["vision_cfg"]),
        "text_cfg": open_clip.CLIPTextCfg(**config["text_cfg"]),
    }


def save_demo_clip(clip: Clip, config: dict[str, Any], out: Path) -> None:
    """Write a model folder that open_clip reads as `local-dir:`, weights in fp16."""
    out.mkdir(parents=True, exist_ok=True)
    description = {"model_cfg": config, "preprocess_cfg": PREPROCESSING}
    (out / "open_clip_config.json").write_text(json.dumps(description, indent=2) + "\n")
    weights = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in clip.state_dict().items()
    }
    save_file(weights, out / "open_clip_model.safetensors")
