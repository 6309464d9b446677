"""Trains the demo CLIP on scenes of the demo world; `losses.py` says for what."""

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader

from clipheads.bundle.disk.atomic_files import ensure_writable
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.progress import Progress, Silent
from clipheads.demo_world.clip.batches import Batch, SceneBatches
from clipheads.demo_world.clip.demo_model import (
    PREPROCESSING,
    model_config,
    new_clip,
    save_demo_clip,
)
from clipheads.demo_world.clip.evaluation import evaluate
from clipheads.demo_world.clip.losses import Clip, training_loss
from clipheads.demo_world.world.captions import attribute_texts
from clipheads.demo_world.world.sprites import default_sprites
from clipheads.model.load import find_device
from clipheads.model.open_clip_import import import_open_clip

BATCH_SIZE = 256
LEARNING_RATE = 1e-3
WARM_UP = 0.03
"""Share of the training in which the learning rate rises from nothing."""

PATCH_DROPOUT = 0.5
"""Share of the patches that a picture is trained without, at almost that share of the cost."""

WHOLE_PICTURES = 0.2
"""Share of the training, at its end, in which no patch is dropped."""

SAVE_EVERY_SECONDS = 120
NOTE_EVERY_SECONDS = 60


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
    """Train the demo CLIP from scratch, or resume a run that stopped.

    Args:
        out: folder that receives `open_clip_config.json` and `open_clip_model.safetensors` (fp16).
        work: folder for the state of an unfinished run.
        minutes: training time; the learning rate falls to nothing over it.
        steps: number of batches instead of a time, for a run that can be repeated exactly.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the initial weights.
        vision: what differs in the vision transformer, see `model_config`.
        batch_size: scenes in a batch; `BATCH_SIZE` by default.
        progress: notified of steps, losses and evaluations.

    Returns:
        The evaluation of the saved model, see `evaluate`.

    Raises:
        ValueError: not exactly one of `minutes` and `steps` is given.
        AtlasError: a folder that cannot be written, an unavailable device, or a damaged state.
    """
    if (minutes is None) == (steps is None):
        raise ValueError("give either minutes or steps")
    config = model_config(vision or {})
    progress = progress or Silent()
    # Before the training, not after it.
    ensure_writable(out)
    ensure_writable(work)
    torch_device = find_device(
        ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    )
    torch.manual_seed(seed)
    open_clip = import_open_clip()
    clip = new_clip(config).to(torch_device)
    clip.visual.patch_dropout = open_clip.transformer.PatchDropout(PATCH_DROPOUT)
    tokenizer = open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"])
    texts = attribute_texts(default_sprites())
    questions = tokenizer([text for choices in texts.values() for text in choices.values()])
    run = _Run(clip, questions.to(torch_device), torch_device, work / "state.pt")
    run.resume(progress)
    batches = SceneBatches(
        tokenizer, config["vision_cfg"]["image_size"], batch_size or BATCH_SIZE, first=run.step
    )
    _train(run, batches, minutes, steps, progress)
    clip.eval()
    save_demo_clip(clip, config, out)
    results = evaluate(clip, tokenizer, PREPROCESSING["mean"], PREPROCESSING["std"])
    progress.note(", ".join(f"{name} {value:.1%}" for name, value in results.items()))
    return results


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 in hardware; a CPU that does not is many times slower."""
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _Run:
    """A training under way: what a step changes, and what a resumed run needs."""

    def __init__(
        self, clip: Clip, questions: Tensor, device: torch.device, state_file: Path
    ) -> None:
        self.clip, self.questions, self.device = clip, questions, device
        self.state_file = state_file
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(clip), lr=LEARNING_RATE, betas=(0.9, 0.98)
        )
        self.step, self.elapsed = 0, 0.0
        self._mean, self._std = (
            torch.tensor(PREPROCESSING[name], device=device).view(1, 3, 1, 1)
            for name in ("mean", "std")
        )
        # On a CPU fused attention has a slower backward pass than plain matrix products.
        self._attention = (
            [SDPBackend.MATH]
            if device.type == "cpu"
            else [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
        )

    def resume(self, progress: Progress) -> None:
        """Go on from the saved state, if there is one."""
        if not self.state_file.exists():
            return
        try:
            state = torch.load(self.state_file, map_location=self.device, weights_only=True)
            self.clip.load_state_dict(state["clip"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.elapsed = int(state["step"]), float(state["elapsed"])
        except Exception as error:  # torch and pickle raise many kinds
            raise AtlasError(
                f"{self.state_file}: no state of this training ({type(error).__name__}); remove it"
                " to start again, or choose another --work"
            ) from error
        progress.note(
            f"goes on at step {self.step}, after {self.elapsed / 60:.1f} minutes of training"
        )

    def save(self) -> None:
        """Write the state whole, in place of the one before."""
        part = self.state_file.with_suffix(".part")
        torch.save(
            {
                "clip": self.clip.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "elapsed": self.elapsed,
            },
            part,
        )
        part.replace(self.state_file)

    def take_step(self, batch: Batch, rate: float) -> float:
        """Train on a batch with a learning rate, and return the loss."""
        clip, device = self.clip, self.device
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        pixels = batch.pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
        self.optimizer.zero_grad(set_to_none=True)
        with sdpa_kernel(self._attention):
            with torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bf16(device)):
                loss = training_loss(
                    clip,
                    (pixels - self._mean) / self._std,
                    batch.captions.to(device),
                    batch.false_negatives.to(device),
                    self.questions,
                    {name: shares.to(device) for name, shares in batch.right.items()},
                )
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(clip.parameters(), 1.0)
        self.optimizer.step()
        clip.logit_scale.data.clamp_(0, math.log(100))
        self.step += 1
        return float(loss.detach())


def _train(
    run: _Run,
    batches: SceneBatches,
    minutes: float | None,
    steps: int | None,
    progress: Progress,
) -> None:
    """Train to the end of the time or of the steps, and save the state now and then."""

    def finished_share() -> float:
        return run.step / steps if steps else run.elapsed / (60 * (minutes or math.inf))

    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=max(1, min(14, (os.cpu_count() or 2) - 1)),
        prefetch_factor=4,
        persistent_workers=True,
    )
    total = steps or round(60 * (minutes or 0))
    last = last_save = last_note = time.monotonic()
    losses: list[float] = []
    run.clip.train()
    with progress.stage("training", total, "steps" if steps else "seconds") as advance:
        advance(run.step if steps else round(run.elapsed))
        for batch in loader:
            if finished_share() > 1 - WHOLE_PICTURES:
                run.clip.visual.patch_dropout.prob = 0.0
            losses.append(run.take_step(batch, LEARNING_RATE * _schedule(finished_share())))
            now, before = time.monotonic(), round(run.elapsed)
            run.elapsed, last = run.elapsed + now - last, now
            advance(1 if steps else round(run.elapsed) - before)
            if now - last_note > NOTE_EVERY_SECONDS:
                progress.note(f"step {run.step}: loss {np.mean(losses[-100:]):.3f}")
                last_note = now
            if now - last_save > SAVE_EVERY_SECONDS:
                run.save()
                last_save = now
            if finished_share() >= 1:
                break
    run.save()


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
        undecayed = parameter.ndim < 2 or "embedding" in name
        (free if undecayed else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": 0.1}, {"params": free, "weight_decay": 0.0}]
