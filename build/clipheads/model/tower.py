"""A transformer tower in one normal form, whatever library it is from, and its forward pass.

Every family of towers is described in these terms by a module of its own, such as
`vision_transformer`. What decomposes, trains or exports a tower knows this form and no other.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from clipheads.bundle.choices import NumberFormat


@dataclass(frozen=True, eq=False)
class Block:
    """A block that adds its two halves to the residual stream x [B, tokens, W], one after another.

    x + (W_O z + b_O) ⊙ s, where z is what attention makes of q, k, v = W LN(x) + b, and then
    x + mlp(LN(x)) ⊙ s with a LayerNorm and an s of its own.
    """

    heads: int
    attention_norm: nn.LayerNorm
    qkv_weight: Tensor
    """Queries, keys and values one below the other, [3W, W]."""
    qkv_bias: Tensor
    """[3W]."""
    out_weight: Tensor
    """W_O, [W, W]."""
    out_bias: Tensor
    """b_O, [W]."""
    attention_scale: Tensor | None
    """s, [W], where the model has LayerScale."""
    mlp_norm: nn.LayerNorm
    mlp_in: nn.Linear
    activation: nn.Module
    mlp_out: nn.Linear
    mlp_scale: Tensor | None
    """Its own s, [W]."""


@dataclass(frozen=True, eq=False)
class VisionTower:
    """A vision transformer that reads its embedding from a class token in front of the patches."""

    patches: nn.Conv2d
    """Pixels [B, 3, S, S] to patches [B, W, rows, columns]."""
    class_embedding: Tensor
    """[W]."""
    positions: Tensor
    """Of the class token and the patches row by row, [tokens, W]."""
    patch_dropout: Callable[[Tensor], Tensor]
    """What leaves out patches in training; in evaluation tokens pass unchanged."""
    input_norm: nn.LayerNorm | None
    """`ln_pre`, of all tokens."""
    blocks: Sequence[Block]
    norm: nn.LayerNorm
    """`ln_post`, of the class token."""
    projection: Tensor
    """P, [W, D]."""


class ClassToken(NamedTuple):
    """The class token's residual stream [B, W] as the sum of 2L + 1 terms, all [B, W]."""

    residual: Tensor
    """In front of `ln_post`."""
    input: Tensor
    """What enters the first block."""
    attentions: list[Tensor]
    """What the attention of each layer adds."""
    mlps: list[Tensor]
    """What the MLP of each layer adds."""


KeepAttention = Callable[[int, Tensor, Tensor, Tensor, Tensor], None]
"""Sees a layer, its q, k, v and attention outputs z, each [B, H, tokens, d_head]; q and z of the
last layer hold the class token alone."""

KeepStream = Callable[[int, Tensor], None]
"""Sees a layer and the residual stream between its two halves, [B, tokens, W], from which
`finish_tower` goes on; in the last layer it holds the class token alone."""


def run_tower(
    tower: VisionTower,
    pixels: Tensor,
    *,
    keep: KeepAttention = lambda _layer, _q, _k, _v, _z: None,
    keep_stream: KeepStream = lambda _layer, _x: None,
    precision: NumberFormat = "fp32",
) -> ClassToken:
    """Run a vision transformer on pixels [B, 3, S, S] and keep what is added to the class token.

    This is the library's own forward pass, except that the last block works for the class token
    alone: the other tokens end there without an effect on the embedding. Gradients pass.

    Args:
        tower: In its normal form.
        pixels: Preprocessed images, on the tower's device.
        keep: Sees the attention of every layer.
        keep_stream: Sees the residual stream after the attention of every layer.
        precision: Below fp32 matrices are multiplied in those numbers; the residual stream, the
            layer norms and what the class token attends to stay float32.
    """
    x = tokens_of(tower, pixels)
    inputs = x[:, 0].clone()
    attentions, mlps = [], []
    for layer, block in enumerate(tower.blocks):
        attended = _attention(tower, layer, x, keep, precision)
        attentions.append(attended[:, 0].clone())
        x = x[:, : attended.shape[1]] + attended
        keep_stream(layer, x)
        mlp = _mlp(block, x, precision)
        mlps.append(mlp[:, 0].clone().float())
        x = x + mlp
    return ClassToken(x[:, 0], inputs, attentions, mlps)


def finish_tower(tower: VisionTower, layer: int, x: Tensor) -> Tensor:
    """Run the rest of a forward pass, from between the two halves of a block.

    Args:
        tower: In its normal form.
        layer: The block whose MLP comes next.
        x: What `keep_stream` has seen there, [B, tokens, W], changed or not.

    Returns:
        The class token in front of `ln_post`, [B, W].
    """
    x = x + _mlp(tower.blocks[layer], x, "fp32")
    for later in range(layer + 1, len(tower.blocks)):
        attended = _attention(tower, later, x, lambda _layer, _q, _k, _v, _z: None, "fp32")
        x = x[:, : attended.shape[1]] + attended
        x = x + _mlp(tower.blocks[later], x, "fp32")
    return x[:, 0]


def tokens_of(tower: VisionTower, pixels: Tensor) -> Tensor:
    """Return the tokens [B, tokens, W] that enter the first block."""
    patches = tower.patches(pixels).flatten(2).transpose(1, 2)
    # In training with autocast the whole stream has the patches' lower precision.
    first = tower.class_embedding.to(patches.dtype).expand(len(pixels), 1, -1)
    x = torch.cat([first, patches], dim=1) + tower.positions.to(patches.dtype)
    x = tower.patch_dropout(x)
    return x if tower.input_norm is None else tower.input_norm(x)


def _attention(
    tower: VisionTower, layer: int, x: Tensor, keep: KeepAttention, precision: NumberFormat
) -> Tensor:
    """Return what the attention of a layer adds to x [B, tokens, W]; in the last to token 0."""
    block = tower.blocks[layer]
    multiply = _multiplying(precision, x.device)
    with multiply:
        normed = block.attention_norm(x)
        is_last = layer == len(tower.blocks) - 1
        q, k, v = _queries_keys_values(block, normed, first_query_only=is_last)
        z = scaled_dot_product_attention(q, k, v)
    lower = precision != "fp32"
    if lower:
        # In float32 for the class token, so that its terms still sum to its embedding.
        q, k, v = q.float(), k.float(), v.float()
        exact = scaled_dot_product_attention(q[:, :, :1], k, v)
        z = torch.cat([exact, z[:, :, 1:].float()], dim=2)
    keep(layer, q, k, v, z)
    flat = z.transpose(1, 2).flatten(2)
    with multiply:
        attended = linear(flat, block.out_weight, block.out_bias)
    if lower:
        exact = linear(flat[:, :1], block.out_weight, block.out_bias)
        attended = torch.cat([exact, attended[:, 1:].float()], dim=1)
    return _scaled(attended, block.attention_scale)


def _mlp(block: Block, x: Tensor, precision: NumberFormat) -> Tensor:
    """Return what the MLP of a block adds to x [B, tokens, W]."""
    with _multiplying(precision, x.device):
        mlp = block.mlp_out(block.activation(block.mlp_in(block.mlp_norm(x))))
        return _scaled(mlp, block.mlp_scale)


def _queries_keys_values(
    block: Block, normed: Tensor, *, first_query_only: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k and v of a block, [B, H, tokens, d_head] each, from LN(x) [B, tokens, W]."""
    width = normed.shape[-1]
    if first_query_only:
        weights = block.qkv_weight[:width], block.qkv_weight[width:]
        biases = block.qkv_bias[:width], block.qkv_bias[width:]
        query = linear(normed[:, :1], weights[0], biases[0])
        key, value = linear(normed, weights[1], biases[1]).chunk(2, dim=-1)
    else:
        query, key, value = linear(normed, block.qkv_weight, block.qkv_bias).chunk(3, dim=-1)
    q, k, v = (
        torch.unflatten(part, -1, (block.heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    return q, k, v


def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else x * scale


def _multiplying(precision: NumberFormat, device: torch.device) -> AbstractContextManager[object]:
    if precision == "fp32":
        return nullcontext()
    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=kind)
