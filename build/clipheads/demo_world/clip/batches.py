"""The training set of the demo CLIP: endless batches of scenes with captions and answers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from clipheads.demo_world.clip.losses import also_true, answers
from clipheads.demo_world.world.captions import attribute_texts, caption
from clipheads.demo_world.world.scenes import Scene, draw_scene, sample_scene
from clipheads.demo_world.world.sprites import default_sprites

FIRST_TRAINING_SEED = 1_000_000
"""Scenes below this seed are never trained on: galleries and evaluations are drawn from them."""

CANDIDATES = 3
"""Scenes sampled for each that is trained on."""

SHAPE_STYLES = {"monochrome": 3.0, "sepia": 3.0, "line drawing": 6.0}
"""How much likelier than any other a scene in one of these styles is to be trained on.

Only shape distinguishes objects in them, and a model that sees them as rarely as the world shows
them learns objects by colour: trained so, one named 94 % of the objects in plain pictures, 38 % in
monochrome ones and 4 % in line drawings.
"""


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


class SceneBatches(Dataset[Batch]):
    """The batches from number `first` on, each drawn when it is needed."""

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
        tokens = self.tokenizer([claim.text for claim in captions])
        false_negatives = also_true(scenes, captions)
        return Batch(torch.from_numpy(pixels), tokens, false_negatives, answers(scenes, self.texts))


def scenes_to_train_on(first_seed: int, rng: np.random.Generator, size: int) -> list[Scene]:
    """Choose a batch among the scenes of `CANDIDATES * size` seeds, see `SHAPE_STYLES`."""
    seeds = range(first_seed, first_seed + CANDIDATES * size)
    candidates = [sample_scene(seed) for seed in seeds]
    weights = np.array([SHAPE_STYLES.get(scene.style, 1.0) for scene in candidates])
    chosen = rng.choice(len(seeds), size, replace=False, p=weights / weights.sum())
    return [candidates[index] for index in chosen]
