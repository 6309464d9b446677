"""Where heads look: the attention of the class token, without any text.

Head (l, h) weights the values of all tokens n by α[n] = softmaxₙ(⟨q, k[n]⟩ / √d_head), where q is
the query of the class token, and sums them. The weights are what a head reads from where; what it
writes of that into the embedding is in the contributions.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from clipheads.model.clip_model import ClipModel
from clipheads.model.tower import run_tower


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
    found: dict[tuple[int, int], Tensor] = {}

    def keep_attention(layer: int, q: Tensor, k: Tensor, _v: Tensor, _output: Tensor) -> None:
        chosen = [head for head_layer, head in heads if head_layer == layer]
        if chosen:
            scores = q[:, chosen, :1] @ k[:, chosen].transpose(-1, -2) / math.sqrt(q.shape[-1])
            weights = scores.float().softmax(-1)[:, :, 0]  # [B, chosen, tokens]
            found.update({(layer, head): weights[:, column] for column, head in enumerate(chosen)})

    with torch.no_grad():
        inputs = pixels.to(model.device)
        run_tower(model.tower, inputs, keep=keep_attention, precision=model.precision)
    return torch.stack([found[head] for head in heads], dim=1)
