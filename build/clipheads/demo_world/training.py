"""Trains the demo CLIP on scenes of the demo world, and measures what it learnt.

Besides the usual contrastive loss there is a second one, on the embedding in which everything
but the heads of the last four layers is replaced by its mean over the batch. Real CLIPs lose
almost nothing by that replacement (Gandelsman et al., 2024, section 3.3); a small model trained
without the second loss keeps its objects in the MLPs, and its heads are not worth an atlas.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, normalize
from torch.utils.data import DataLoader, Dataset

from clipheads.demo_world.captions import (
    STYLE_TEXTS,
    Caption,
    caption,
    colour_text,
    object_text,
    scene_attributes,
)
from clipheads.demo_world.scenes import COLOURS, STYLES, Scene, draw_scene, sample_scene
from clipheads.demo_world.sprites import default_sprites
from clipheads.open_clip_import import import_open_clip
from clipheads.progress import Progress, Silent

Clip = Any
"""An open_clip module or its vision tower; open_clip carries no types."""

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

PREPROCESSING = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
FIRST_TRAINING_SEED = 1_000_000
"""Scenes below this seed are never trained on: galleries and evaluations are drawn from them."""

FIRST_EVALUATION_SEED = 500_000

EVALUATION_SCENES = 2000

BATCH_SIZE = 160
LEARNING_RATE = 8e-4
WARM_UP = 0.03
"""Share of the training in which the learning rate rises from nothing."""

SPECIALISED_LAYERS = 4
"""The last layers, whose heads alone must tell what the second loss asks for."""

SAVE_EVERY_SECONDS = 120


class _SceneBatches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batch number `i` of the endless training set, drawn when it is asked for."""

    def __init__(self, tokenizer: Callable[[list[str]], Tensor], first: int, length: int) -> None:
        self.tokenizer, self.first, self.length = tokenizer, first, length
        self.side = MODEL_CONFIG["vision_cfg"]["image_size"]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        start = FIRST_TRAINING_SEED + (self.first + index) * BATCH_SIZE
        scenes = [sample_scene(seed) for seed in range(start, start + BATCH_SIZE)]
        pixels = np.stack([draw_scene(scene, self.side)[0] for scene in scenes])
        rng = np.random.default_rng(start)
        captions = [caption(scene, rng) for scene in scenes]
        tokens = self.tokenizer([one.text for one in captions])
        return torch.from_numpy(pixels), tokens, also_true(scenes, captions)


def train_demo_clip(
    out: Path,
    work: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    device: str = "auto",
    seed: int = 0,
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
        progress: told about steps, losses and evaluations.

    Returns:
        The evaluation of the saved model, see `evaluate`.

    Raises:
        ValueError: not exactly one of `minutes` and `steps` is given.
    """
    if (minutes is None) == (steps is None):
        raise ValueError("give either minutes or steps")
    progress = progress or Silent()
    place = torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    )
    torch.manual_seed(seed)
    open_clip = import_open_clip()
    clip = open_clip.CLIP(**_clip_arguments(open_clip)).to(place)
    tokenizer = open_clip.SimpleTokenizer(context_length=MODEL_CONFIG["text_cfg"]["context_length"])
    optimizer = torch.optim.AdamW(_parameter_groups(clip), lr=LEARNING_RATE, betas=(0.9, 0.98))
    work.mkdir(parents=True, exist_ok=True)
    state_file = work / "state.pt"
    step, elapsed = 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, map_location=place, weights_only=True)
        clip.load_state_dict(state["clip"])
        optimizer.load_state_dict(state["optimizer"])
        step, elapsed = state["step"], state["elapsed"]
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
        _SceneBatches(tokenizer, first=step, length=1 << 40),
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
        for pixels, tokens, unjust in batches:
            rate = LEARNING_RATE * _schedule(finished_share())
            for group in optimizer.param_groups:
                group["lr"] = rate
            pixels = pixels.to(place, non_blocking=True).permute(0, 3, 1, 2).float() / 255
            optimizer.zero_grad(set_to_none=True)
            with sdpa_kernel(attention):
                with torch.autocast(place.type, dtype=torch.bfloat16):
                    loss = training_loss(
                        clip, (pixels - mean) / std, tokens.to(place), unjust.to(place)
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
    save_demo_clip(clip, out)
    results = evaluate(clip, tokenizer)
    progress.note(", ".join(f"{name} {value:.1%}" for name, value in results.items()))
    return results


def training_loss(clip: Clip, pixels: Tensor, tokens: Tensor, unjust: Tensor) -> Tensor:
    """Contrastive loss of the embedding and of its mean-ablated form, averaged.

    Args:
        clip: the model in training.
        pixels: [B, 3, side, side], normalised.
        tokens: [B, context].
        unjust: [B, B] of bool, the pairs that must not count as negatives, see `also_true`.

    Returns:
        Scalar.
    """
    with _class_token_of_attention(clip.visual, SPECIALISED_LAYERS) as heads:
        features = _residual_stream(clip.visual, pixels)
    kept = torch.stack(heads).sum(dim=0).float()
    rest = (features.float() - kept).mean(dim=0, keepdim=True)
    texts = normalize(clip.encode_text(tokens).float(), dim=-1)
    scale = clip.logit_scale.exp()
    own = torch.arange(len(tokens), device=tokens.device)
    losses = []
    for residual in (features.float(), rest + kept):
        images = normalize(clip.visual.ln_post(residual) @ clip.visual.proj, dim=-1)
        logits = (scale * images @ texts.T).masked_fill(unjust, -math.inf)
        losses.append(cross_entropy(logits, own) + cross_entropy(logits.T, own))
    return torch.stack(losses).mean() / 2


def also_true(scenes: list[Scene], captions: list[Caption]) -> Tensor:
    """Which captions are true of scenes that they were not written for, [B, B] of bool.

    Such a pair is no negative: "a clear picture in daylight" is true of half of all scenes, and
    pushing it away from the others would leave the text close to none of them.
    """
    shown = [scene_attributes(scene).items() for scene in scenes]
    claimed = [caption.claims.items() for caption in captions]
    true = torch.tensor([[claims <= all_shown for claims in claimed] for all_shown in shown])
    return true & ~torch.eye(len(scenes), dtype=torch.bool)


def _residual_stream(visual: Clip, pixels: Tensor) -> Tensor:
    """The class token before `ln_post`, [B, width]."""
    tokens: Tensor = visual.transformer(visual._embeds(pixels))
    return tokens[:, 0]


@contextmanager
def _class_token_of_attention(visual: Clip, layers: int) -> Iterator[list[Tensor]]:
    """Collect what the attention of the last `layers` adds to the class token, [B, width] each."""
    outputs: list[Tensor] = []
    hooks = [
        block.attn.register_forward_hook(lambda _m, _i, output: outputs.append(output[0][:, 0]))
        for block in visual.transformer.resblocks[-layers:]
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


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


def _clip_arguments(open_clip: Any) -> dict[str, Any]:
    return {
        "embed_dim": MODEL_CONFIG["embed_dim"],
        "vision_cfg": open_clip.CLIPVisionCfg(**MODEL_CONFIG["vision_cfg"]),
        "text_cfg": open_clip.CLIPTextCfg(**MODEL_CONFIG["text_cfg"]),
    }


def save_demo_clip(clip: Clip, out: Path) -> None:
    """Write a model folder that open_clip reads as `local-dir:`, weights in fp16."""
    out.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": MODEL_CONFIG, "preprocess_cfg": PREPROCESSING}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in clip.state_dict().items()
    }
    save_file(weights, out / "open_clip_model.safetensors")


@torch.inference_mode()
def evaluate(
    clip: Clip, tokenizer: Callable[[list[str]], Tensor], scenes: int | None = None
) -> dict[str, float]:
    """Zero-shot accuracies on scenes that were never trained on, `EVALUATION_SCENES` by default.

    Returns:
        "object top-1" and "object top-5" of all objects, "colour" over the scenes that show one,
        "style", and "object top-1, heads alone": of the mean-ablated embedding. All in 0…1.
    """
    place = next(clip.parameters()).device
    names = [item.name for item in default_sprites().objects]
    chosen = [sample_scene(FIRST_EVALUATION_SEED + i) for i in range(scenes or EVALUATION_SCENES)]
    images, ablated = _embed_scenes(clip, chosen, place)

    def closest(features: Tensor, prompts: list[str], top: int) -> Tensor:
        texts = normalize(clip.encode_text(tokenizer(prompts).to(place)).float(), dim=-1).cpu()
        return (features @ texts.T).topk(top).indices

    objects = torch.tensor([scene.object_index for scene in chosen])
    prompts = [object_text(name) for name in names]
    ranked = closest(images, prompts, 5) == objects[:, None]
    ranked_ablated = closest(ablated, prompts, 1) == objects[:, None]
    coloured = [i for i, scene in enumerate(chosen) if scene.visible_colour]
    colours = torch.tensor([list(COLOURS).index(chosen[i].colour) for i in coloured])
    styles = torch.tensor([STYLES.index(scene.style) for scene in chosen])
    colour_right = closest(images[coloured], [colour_text(c) for c in COLOURS], 1)[:, 0] == colours
    style_right = closest(images, [STYLE_TEXTS[s] for s in STYLES], 1)[:, 0] == styles
    return {
        "object top-1": ranked[:, 0].float().mean().item(),
        "object top-5": ranked.any(dim=1).float().mean().item(),
        "colour": colour_right.float().mean().item(),
        "style": style_right.float().mean().item(),
        "object top-1, heads alone": ranked_ablated[:, 0].float().mean().item(),
    }


def _embed_scenes(clip: Clip, scenes: list[Scene], place: torch.device) -> tuple[Tensor, Tensor]:
    """Unit embeddings of scenes, whole and mean-ablated, [n, D] each, on the CPU."""
    mean = torch.tensor(PREPROCESSING["mean"]).view(1, 3, 1, 1)
    std = torch.tensor(PREPROCESSING["std"]).view(1, 3, 1, 1)
    side = MODEL_CONFIG["vision_cfg"]["image_size"]
    residuals, kept = [], []
    for start in range(0, len(scenes), BATCH_SIZE):
        drawn = [draw_scene(scene, side)[0] for scene in scenes[start : start + BATCH_SIZE]]
        pixels = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255
        with _class_token_of_attention(clip.visual, SPECIALISED_LAYERS) as heads:
            residuals.append(_residual_stream(clip.visual, ((pixels - mean) / std).to(place)))
        kept.append(torch.stack(heads).sum(dim=0))
    whole, heads_alone = torch.cat(residuals), torch.cat(kept)
    rest = (whole - heads_alone).mean(dim=0, keepdim=True)
    embedded = [
        normalize(clip.visual.ln_post(residual) @ clip.visual.proj, dim=-1).float().cpu()
        for residual in (whole, rest + heads_alone)
    ]
    return embedded[0], embedded[1]
