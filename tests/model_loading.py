"""How tests of models load one: what it computes, or the one line of its failure."""

from typing import Any

import pytest
import torch

from clipheads.bundle.errors import ModelError
from clipheads.model.load import load_model

TINY_NAME = "ViT-B-32"
"""The tests give this architecture a tiny configuration, so that its checkpoints are small."""


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
