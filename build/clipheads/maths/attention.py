"""Where heads look: the attention of the class token, without any text.

Head (l, h) weights the values of all tokens n by α[n] = softmaxₙ(⟨q, k[n]⟩ / √d_head), where q is
the query of the class token, and sums them. The weights are what a head reads from where; what it
writes of that into the embedding is in the contributions.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from clipheads.maths.directions import value_output_factors
from clipheads.model.clip_model import ClipModel
from clipheads.model.tower import VisionTower, run_tower


class Reading(NamedTuple):
    """What heads read from the tokens of B images; token 0 is the class token."""

    weights: Tensor
    """Attention of the class token, [B, heads, tokens] float32."""
    parts: Tensor
    """⟨c[n], c⟩, [B, heads, tokens]: c[n] is what token n adds to the embedding, up to a factor of
    the image and without the constants that no token causes, and c is their sum."""
    lengths: Tensor
    """Of the residual stream of each token, after the attention of the last layer but one, where
    all tokens are there for the last time; [B, tokens]. Zeros if the model has one layer."""


def class_token_attention(
    model: ClipModel, pixels: Tensor, heads: Sequence[tuple[int, int]]
) -> Tensor:
    """Return the attention of the class token in chosen heads.

    Args:
        model: a model of `load_model`.
        pixels: preprocessed images, [B, 3, S, S].
        heads: (layer, head) pairs, counted from zero.

    Returns:
        [B, heads, tokens] float32, each row summing to one. Token 0 is the class token itself, then
        come the patches row by row.

    >>> from clipheads import load_model
    >>> model = load_model("local-dir:data/demo/demo-clip", device="cpu")
    >>> weights = class_token_attention(model, torch.rand(2, 3, 64, 64), [(5, 0), (5, 3)])
    >>> weights.shape
    torch.Size([2, 2, 65])
    >>> torch.allclose(weights.sum(-1), torch.ones(2, 2))
    True
    """
    return read_tokens(model, pixels, heads, write_products(model.tower)).weights


@torch.no_grad()
def write_products(tower: VisionTower) -> Tensor:
    """Inner products of what the entries of z write, [heads of all layers, d_head, d_head]."""
    _, writes = value_output_factors(tower)
    return (writes @ writes.mT).to(tower.projection.device, torch.float32)


def read_tokens(
    model: ClipModel, pixels: Tensor, heads: Sequence[tuple[int, int]], products: Tensor
) -> Reading:
    """Return what chosen heads read from each token.

    Args:
        model: a model of `load_model`.
        pixels: preprocessed images, [B, 3, S, S].
        heads: (layer, head) pairs, counted from zero.
        products: of `write_products`.
    """
    weights: dict[tuple[int, int], Tensor] = {}
    parts: dict[tuple[int, int], Tensor] = {}
    lengths = torch.zeros(len(pixels), model.tower.positions.shape[0])
    chosen: dict[int, list[int]] = {}
    for layer, head in heads:
        chosen.setdefault(layer, []).append(head)

    def keep_read(layer: int, q: Tensor, k: Tensor, v: Tensor, _output: Tensor) -> None:
        if layer not in chosen:
            return
        own = chosen[layer]
        scores = q[:, own, :1] @ k[:, own].transpose(-1, -2) / math.sqrt(q.shape[-1])
        attention = scores.float().softmax(-1)[:, :, 0]  # [B, chosen, tokens]
        z = attention[..., None] * v[:, own].float()
        rows = [layer * model.architecture.heads + head for head in own]
        along = torch.einsum("bhnd,hde,bhe->bhn", z, products[rows], z.sum(2))
        for column, head in enumerate(own):
            weights[layer, head], parts[layer, head] = attention[:, column], along[:, column]

    def keep_lengths(layer: int, x: Tensor) -> None:
        nonlocal lengths
        if layer == len(model.tower.blocks) - 2:
            lengths = x.float().norm(dim=-1)

    with torch.no_grad():
        run_tower(
            model.tower,
            pixels.to(model.device),
            keep=keep_read,
            keep_stream=keep_lengths,
            precision=model.precision,
        )
    return Reading(
        torch.stack([weights[head] for head in heads], dim=1),
        torch.stack([parts[head] for head in heads], dim=1),
        lengths,
    )
