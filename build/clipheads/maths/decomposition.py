"""Split an image embedding exactly into what each head, each MLP and the input contribute.

The residual stream of the class token before `ln_post` is a sum of 2L + 1 terms: the input, L
attention outputs and L MLP outputs. An attention output is the sum over its H heads of
a = W_O z + b_O / H, where z is the head's slice of what attention computes before `out_proj`.
`ln_post`, with mean μ, deviation σ and weights γ, β, and the projection P are affine in these
terms, so each term has a contribution to the unit embedding f / ‖f‖ of an image:

    c[l, h] = ((a[l, h] − μ / (H (2L + 1))) ⊙ γ / σ + β / (H (2L + 1))) P / ‖f‖

and all contributions sum to f / ‖f‖ (Gandelsman et al., 2024, section 3). Since c[l, h] lies in
the span of d_head + 3 fixed vectors, it is kept as coordinates y = Bᵀc in an orthonormal basis B
of that span: inner products between contributions, and with any text t through Bᵀt, are exact.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.maths.folding import FoldedHeads, fold_heads, fold_norm
from clipheads.model.clip_model import ClipModel
from clipheads.model.tower import ClassToken, KeepAttention, VisionTower, run_tower


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A batch of B unit embeddings as sums of contributions."""

    embedding: Tensor
    """f / ‖f‖, [B, D]: the sum of all contributions."""
    norm: Tensor
    """‖f‖, [B]."""
    coordinates: Tensor
    """y of every head in its own basis, [B, L, H, r]; see `head_basis` and `contributions`."""
    mlps: Tensor
    """Contribution of every MLP, [B, L, D]."""
    input: Tensor
    """Contribution of what enters the first block, [B, D]."""


def decompose(model: ClipModel, pixels: Tensor) -> Decomposition:
    """Decompose the embeddings of preprocessed images [B, 3, S, S], at the price of one pass.

    >>> from clipheads import load_model
    >>> model = load_model("local-dir:data/demo/demo-clip", device="cpu")
    >>> parts = decompose(model, torch.rand(2, 3, 64, 64))
    >>> heads = contributions(parts, head_basis(model)).sum((1, 2))
    >>> torch.allclose(heads + parts.mlps.sum(1) + parts.input, parts.embedding, atol=1e-5)
    True
    """
    heads: list[Tensor] = []

    def keep_output(_layer: int, _q: Tensor, _k: Tensor, _v: Tensor, output: Tensor) -> None:
        heads.append(output[:, :, 0])

    with torch.no_grad():
        weights = _weights(model)
        token = _run(model, pixels, keep_output)
        norms = _Norms.of(model.tower, token.residual)

        per_head = norms.scale.view(1, -1, 1), norms.mean.view(1, -1, 1)
        z = torch.stack(heads).transpose(1, 2).flatten(0, 1)  # [L·H, B, d_head]
        y = _coordinates(weights.heads, z, *per_head, norms.length.view(1, -1, 1), share=1.0)
        layers = len(heads)
        others = torch.stack([token.input, *token.mlps], dim=1)  # [B, L + 1, W]
        scale, mean = norms.scale.view(-1, 1, 1), norms.mean.view(-1, 1, 1)
        projected = (
            (others * weights.gamma) @ weights.projection - mean * weights.of_mean
        ) * scale + weights.of_beta / norms.length.view(-1, 1, 1)
        return Decomposition(
            embedding=norms.embedding,
            norm=norms.length,
            coordinates=torch.unflatten(y, 0, (layers, -1)).permute(2, 0, 1, 3).contiguous(),
            mlps=projected[:, 1:],
            input=projected[:, 0],
        )


def decompose_patches(model: ClipModel, pixels: Tensor, heads: Sequence[tuple[int, int]]) -> Tensor:
    """Split the contributions of chosen heads over the tokens that the class token attends to.

    c[l, h, n] is c[l, h] with z replaced by its summand α[n] v[n]; b_O, μ and β are shared
    equally by the tokens.

    Args:
        model: A model of `load_model`.
        pixels: Preprocessed images, [B, 3, S, S].
        heads: (layer, head) pairs, counted from zero.

    Returns:
        Coordinates [B, heads, tokens, r] in the bases of those heads. Token 0 is the class token,
        then come the patches row by row; their sum is the head's coordinates in `decompose`.
    """
    chosen: dict[int, list[int]] = {}
    for layer, head in heads:
        chosen.setdefault(layer, []).append(head)
    summands: dict[tuple[int, int], Tensor] = {}

    def keep_summands(layer: int, q: Tensor, k: Tensor, v: Tensor, _output: Tensor) -> None:
        if layer not in chosen:
            return
        index = torch.tensor(chosen[layer], device=q.device)
        query, keys, values = q[:, index, :1], k[:, index], v[:, index]
        scores = query @ keys.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weighted = scores.softmax(-1).transpose(-1, -2) * values  # [B, chosen, tokens, d_head]
        for position, head in enumerate(chosen[layer]):
            summands[layer, head] = weighted[:, position]

    with torch.no_grad():
        norms = _Norms.of(model.tower, _run(model, pixels, keep_summands).residual)
        z = torch.stack([summands[layer, head] for layer, head in heads])  # [heads, B, tokens, d]
        batch, tokens = z.shape[1:3]
        per_row = [
            value.repeat_interleave(tokens).view(1, -1, 1)
            for value in (norms.scale, norms.mean, norms.length)
        ]
        rows = torch.tensor([layer * model.architecture.heads + head for layer, head in heads])
        weights = _weights(model).heads.select(rows.to(z.device))
        y = _coordinates(weights, z.flatten(1, 2), *per_row, share=1.0 / tokens)
        return torch.unflatten(y, 1, (batch, tokens)).transpose(0, 1).contiguous()


def head_basis(model: ClipModel) -> Tensor:
    """Return B of every head, [L, H, D, r] with orthonormal columns, float32.

    r is d_head + 3, or D where that is smaller.
    """
    return torch.unflatten(_weights(model).basis, 0, (-1, model.architecture.heads))


def contributions(decomposition: Decomposition, basis: Tensor) -> Tensor:
    """Return c = By of every head, [B, L, H, D], from the basis [L, H, D, r] of `head_basis`."""
    return torch.einsum("blhr,lhdr->blhd", decomposition.coordinates, basis)


def _run(model: ClipModel, pixels: Tensor, keep: KeepAttention) -> ClassToken:
    return run_tower(model.tower, pixels.to(model.device), keep=keep, precision=model.precision)


def precision_error(model: ClipModel, pixels: Tensor) -> float:
    """Return the largest |embedding - embedding in fp32| over images [B, 3, S, S].

    It is what the model's precision costs; that contributions sum to the embedding holds in any.
    """
    exact = decompose(replace(model, precision="fp32"), pixels).embedding
    return float((decompose(model, pixels).embedding - exact).abs().max())


@dataclass(frozen=True, eq=False)
class _Weights:
    """The folded weights of a model, float32 on its device."""

    basis: Tensor
    """B of all heads, layer by layer, [L·H, D, r]."""
    heads: FoldedHeads
    """In the heads' bases."""
    gamma: Tensor
    """γ, [W]."""
    projection: Tensor
    """P, [W, D]."""
    of_mean: Tensor
    """(γ / T) P, [D]."""
    of_beta: Tensor
    """(β / T) P, [D]."""


_WEIGHTS: WeakKeyDictionary[ClipModel, _Weights] = WeakKeyDictionary()


def _weights(model: ClipModel) -> _Weights:
    """Fold the weights once for each model; float64 inside, float32 outside."""
    if model not in _WEIGHTS:
        _WEIGHTS[model] = _fold(model.tower)
    return _WEIGHTS[model]


def _fold(tower: VisionTower) -> _Weights:
    def rounded(tensor: Tensor) -> Tensor:
        return tensor.to(tower.projection.device, torch.float32)

    heads = fold_heads(tower)
    # The span is what matters, not the lengths: unit columns keep QR well conditioned. Columns
    # that vanish or depend on others leave arbitrary orthonormal directions, where y is zero.
    span = normalize(torch.cat(heads.parts(), dim=1), dim=-1).transpose(1, 2)
    basis = torch.linalg.qr(span).Q
    of_mean, of_beta = fold_norm(tower)
    return _Weights(
        basis=rounded(basis),
        heads=FoldedHeads(*map(rounded, heads.in_bases(basis).parts())),
        gamma=rounded(tower.norm.weight.detach()),
        projection=rounded(tower.projection.detach()),
        of_mean=rounded(of_mean),
        of_beta=rounded(of_beta),
    )


@dataclass(frozen=True, eq=False)
class _Norms:
    """What `ln_post` and the projection make of the whole residual stream, [B] each."""

    mean: Tensor
    """μ."""
    scale: Tensor
    """1 / (σ ‖f‖)."""
    length: Tensor
    """‖f‖."""
    embedding: Tensor
    """f / ‖f‖, [B, D]."""

    @staticmethod
    def of(tower: VisionTower, residual: Tensor) -> "_Norms":
        """Compute them from the class token before `ln_post`, [B, W]."""
        variance, mean = torch.var_mean(residual, dim=-1, correction=0)
        sigma = (variance + tower.norm.eps).sqrt()
        features = tower.norm(residual) @ tower.projection
        length = features.norm(dim=-1)
        return _Norms(mean, 1 / (sigma * length), length, features / length[:, None])


def _coordinates(
    weights: FoldedHeads, z: Tensor, scale: Tensor, mean: Tensor, length: Tensor, *, share: float
) -> Tensor:
    """Return y [heads, rows, r] from z [heads, rows, d_head] and the norms of every row.

    `share` is the part of b_O, μ and β that falls to a row: all, or one token's.
    """
    constant = share * (weights.of_bias - mean * weights.of_mean)
    return (torch.bmm(z, weights.of_z) + constant) * scale + share * weights.of_beta / length
