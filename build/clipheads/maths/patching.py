"""Ablate a head in the forward pass: replace its output by its mean, and run the rest.

Let z be the output of a head before W_O, at every token, and z̄ its mean over images, token by
token. Writing z̄ in place of z changes the residual stream by −δ, δ = W_O (z − z̄). Three unit
embeddings follow from that:

    total     everything after the head runs on the changed stream
    direct    all later blocks add what they added before; `ln_post` runs on r − δ
    frozen    so do they, and μ, σ and ‖f‖ keep their values too: the contribution c of the
              decomposition becomes that of z̄

So total and direct differ by what later blocks make of the change, and by nothing else: for a head
of the last layer that is its own block's MLP. Direct and frozen differ by `ln_post` alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear, normalize

from clipheads.model.tower import Block, VisionTower, finish_tower, run_tower


@dataclass(frozen=True, eq=False)
class Ablated:
    """Unit embeddings of B images, whole and with each of some heads replaced by its mean."""

    whole: Tensor
    """[B, D]"""
    frozen: Tensor
    """[B, heads, D]"""
    direct: Tensor
    """[B, heads, D]"""
    total: Tensor
    """[B, heads, D]"""


def mean_outputs(tower: VisionTower, batches: Iterable[Tensor]) -> list[Tensor]:
    """Average the outputs of all heads over images, token by token.

    Args:
        tower: in its normal form.
        batches: preprocessed images, [B, 3, S, S] each; at least one.

    Returns:
        z̄ of each layer, [H, tokens, d_head]; of the last layer for the class token alone.
    """
    sums: list[Tensor] = []
    count = 0

    def add(layer: int, _q: Tensor, _k: Tensor, _v: Tensor, z: Tensor) -> None:
        if layer == len(sums):
            sums.append(torch.zeros_like(z[0]))
        sums[layer] += z.sum(dim=0)

    with torch.no_grad():
        for pixels in batches:
            run_tower(tower, pixels, keep=add)
            count += len(pixels)
    return [total / count for total in sums]


def ablate(
    tower: VisionTower, pixels: Tensor, heads: Sequence[tuple[int, int]], means: Sequence[Tensor]
) -> Ablated:
    """Replace each head's output by its mean, one head at a time, and embed the images again.

    All heads of a layer share the pass up to it; the rest runs once for each of them, in float32
    at the least: lower precision errs by as much as a head of many changes.

    Args:
        tower: in its normal form.
        pixels: preprocessed images, [B, 3, S, S], on the tower's device.
        heads: (layer, head) pairs, counted from zero.
        means: z̄ of `mean_outputs`.
    """
    outputs: dict[int, Tensor] = {}
    written: dict[tuple[int, int], Tensor] = {}
    patched: dict[tuple[int, int], Tensor] = {}

    def keep(layer: int, _q: Tensor, _k: Tensor, _v: Tensor, z: Tensor) -> None:
        outputs[layer] = z

    def patch(layer: int, x: Tensor) -> None:
        own = [head for at, head in heads if at == layer]
        z = outputs.pop(layer)
        if not own:
            return
        changes = torch.stack(
            [_write(tower.blocks[layer], head, z[:, head] - means[layer][head]) for head in own]
        )  # δ of each head, [own, B, tokens, W]
        rest = finish_tower(tower, layer, (x - changes).flatten(0, 1))
        rests = torch.unflatten(rest, 0, (len(own), -1))
        for head, change, residual in zip(own, changes, rests, strict=True):
            written[layer, head], patched[layer, head] = change[:, 0], residual

    with torch.no_grad():
        r = run_tower(tower, pixels, keep=keep, keep_stream=patch).residual
        whole = tower.norm(r) @ tower.projection
        delta = torch.stack([written[head] for head in heads], dim=1)  # [B, heads, W]
        total = torch.stack([patched[head] for head in heads], dim=1)
        sigma = (r.var(dim=-1, correction=0, keepdim=True) + tower.norm.eps).sqrt()
        lost = (delta * (tower.norm.weight / sigma)[:, None]) @ tower.projection
        return Ablated(
            whole=normalize(whole, dim=-1),
            frozen=normalize(whole[:, None] - lost, dim=-1),
            direct=normalize(tower.norm(r[:, None] - delta) @ tower.projection, dim=-1),
            total=normalize(tower.norm(total) @ tower.projection, dim=-1),
        )


def _write(block: Block, head: int, z: Tensor) -> Tensor:
    """Return W_O z ⊙ s of one head, [B, tokens, W], from z [B, tokens, d_head]."""
    width = z.shape[-1]
    written = linear(z, block.out_weight[:, head * width : (head + 1) * width])
    return written if block.attention_scale is None else written * block.attention_scale
