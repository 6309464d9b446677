"""Attention of the class token: as torch has it, and over each head's own top images."""

from pathlib import Path

import pytest
import torch
from checkpoints import tiny_model
from torch import Tensor

from clipheads.maths.attention import class_token_attention
from clipheads.model.clip_model import ClipModel


def pixels_for(model: ClipModel) -> Tensor:
    side = model.architecture.image_size
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [0, -1])
def test_the_class_token_attends_as_torch_says(tmp_path: Path, layer: int) -> None:
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    layer %= model.architecture.layers
    seen: list[Tensor] = []

    def look(block: torch.nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        normed = block.ln_1(inputs[0])  # type: ignore[operator]
        weights = block.attn(  # type: ignore[operator]
            normed, normed, normed, need_weights=True, average_attn_weights=False
        )[1]
        seen.append(weights[:, :, 0])

    block = model.clip.visual.transformer.resblocks[layer]
    hook = block.register_forward_hook(look)
    with torch.no_grad():
        model.clip.encode_image(pixels)
    hook.remove()
    heads = [(layer, head) for head in reversed(range(model.architecture.heads))]
    attention = class_token_attention(model, pixels, heads)

    assert torch.allclose(attention, seen[0].flip(1), atol=1e-6)
    assert torch.allclose(attention.sum(-1), torch.ones(attention.shape[:2]), atol=1e-6)


def test_heads_of_several_layers_come_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    heads = [(1, 1), (0, 0), (1, 0)]
    together = class_token_attention(model, pixels, heads)

    for position, head in enumerate(heads):
        alone = class_token_attention(model, pixels, [head])
        assert torch.allclose(together[:, position], alone[:, 0], atol=1e-7)
