"""Scenes with their ground truth, and the contributions of a model's heads to their embeddings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from clipheads.demo_world.world.captions import scene_attributes
from clipheads.demo_world.world.scenes import Scene, draw_scene
from clipheads.maths.decomposition import decompose
from clipheads.model.clip_model import ClipModel

BATCH_SIZE = 50


@dataclass(frozen=True, eq=False)
class ObservedScenes:
    """Scenes, their attributes, and the contributions to their embeddings."""

    scenes: list[Scene]
    attributes: dict[str, list[str | None]]
    """The value of each attribute for each scene."""
    coordinates: Tensor
    """[N, heads, r]"""
    rest: Tensor
    """[N, D]: the contributions of the MLPs and the input."""

    def embeddings(self, basis: Tensor) -> Tensor:
        """Unit embeddings [N, D], from the bases [heads, D, r] of all heads."""
        return self.rest + torch.einsum("nhr,hdr->nd", self.coordinates, basis)


def observe_scenes(
    model: ClipModel, scenes: Sequence[Scene], advance: Callable[[int], None] = lambda _scenes: None
) -> ObservedScenes:
    """Draw scenes and decompose them."""
    coordinates, rest = [], []
    for start in range(0, len(scenes), BATCH_SIZE):
        batch = scenes[start : start + BATCH_SIZE]
        parts = decompose(model, pixels_of(model, batch))
        coordinates.append(parts.coordinates.flatten(1, 2).cpu())
        rest.append((parts.mlps.sum(dim=1) + parts.input).cpu())
        advance(len(batch))
    truths = [scene_attributes(scene) for scene in scenes]
    attributes = {name: [truth[name] for truth in truths] for name in truths[0]}
    return ObservedScenes(list(scenes), attributes, torch.cat(coordinates), torch.cat(rest))


def pixels_of(model: ClipModel, scenes: Sequence[Scene]) -> Tensor:
    """Draw scenes and preprocess them for a model, [B, 3, S, S]."""
    side = model.architecture.image_size
    drawn = [Image.fromarray(draw_scene(scene, side)[0]) for scene in scenes]
    return torch.stack([model.preprocess(picture) for picture in drawn])
