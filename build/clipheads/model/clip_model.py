"""A CLIP model as the build has it: its towers, how it prepares input, and what it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from clipheads.bundle.choices import NumberFormat
from clipheads.bundle.model import Architecture, Weights
from clipheads.model.tower import VisionTower
from clipheads.model.vision_transformer import tower_of


@dataclass(frozen=True, eq=False)
class ClipModel:
    """A CLIP that can be decomposed: frozen, its weights float32, in evaluation mode."""

    name: str
    clip: Any
    """The open_clip module, `CLIP` or `CustomTextCLIP`; open_clip has no types."""
    preprocess: Callable[[Image.Image], Tensor]
    """A picture to pixels [3, S, S]."""
    tokenize: Callable[[list[str]], Tensor]
    """Texts to tokens [n, context]."""
    device: torch.device
    architecture: Architecture
    weights: Weights
    precision: NumberFormat = "fp32"
    """Below fp32 the vision transformer multiplies matrices in those numbers; the residual stream,
    the layer norms and what is computed of the terms stay float32."""

    @property
    def tower(self) -> VisionTower:
        """The vision tower in the normal form that the mathematics knows."""
        return tower_of(self.clip.visual)
