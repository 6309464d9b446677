"""What a head can write, without any image: the singular vectors of its value-output matrix.

From a token x to the embedding a head is linear but for two divisions: the LayerNorms in front of
the attention and of the projection divide by a deviation. Up to these, and up to constants, a
token that is attended to with weight 1 adds x M to the embedding, with

    M = C diag(γ₁) W_V W_O diag(s γ) C P,    C = I − 11ᵀ/W

where γ₁ and γ are the weights of the two LayerNorms, C is the subtraction of their means, s is
LayerScale where the model has it, and P is the projection. With M = U S Vᵀ, the rows of Vᵀ are the
directions of the embedding into which the head can write, in the order of how strongly: this is
SITH (Gentile et al., 2026), with the projection inside the decomposed matrix, so that directions
are orthogonal where the texts are.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from clipheads.maths.folding import exact
from clipheads.model.tower import VisionTower


class SingularDirections(NamedTuple):
    """Output directions of some heads, the strongest first."""

    values: Tensor
    """Singular values, [heads, r] float64."""
    vectors: Tensor
    """Unit directions in the embedding, [heads, r, D] float64."""

    @property
    def shares(self) -> Tensor:
        """Shares of the squared Frobenius norm, [heads, r]; zeros if a head writes nothing."""
        squares = self.values.square()
        return squares / squares.sum(-1, keepdim=True).clamp(min=torch.finfo(squares.dtype).tiny)


@torch.no_grad()
def value_output_factors(tower: VisionTower) -> tuple[Tensor, Tensor]:
    """Return the factors of M = reads @ writes of every head, layer by layer.

    Returns:
        `reads` [heads, W, d_head] and `writes` [heads, d_head, D], float64 on the CPU.
    """
    gamma, projection = exact(tower.norm.weight), exact(tower.projection)
    reads, writes = [], []
    for block in tower.blocks:
        width = block.out_weight.shape[0]
        value = exact(block.qkv_weight)[2 * width :] * exact(block.attention_norm.weight)
        value = value - value.mean(1, keepdim=True)
        reads.append(torch.unflatten(value, 0, (block.heads, -1)).transpose(1, 2))
        out = exact(block.out_weight).T
        if block.attention_scale is not None:
            out = out * exact(block.attention_scale)
        out = out - out.mean(1, keepdim=True)
        writes.append(torch.unflatten((out * gamma) @ projection, 0, (block.heads, -1)))
    return torch.cat(reads), torch.cat(writes)


def singular_directions(reads: Tensor, writes: Tensor) -> SingularDirections:
    """Decompose M = reads @ writes of each head without ever forming it.

    Args:
        reads: [heads, W, d_head].
        writes: [heads, d_head, D].

    Returns:
        r = min(d_head, D) directions of each head. Their signs are arbitrary: see `orient`.
    """
    _, values, vectors = torch.linalg.svd(torch.linalg.qr(reads).R @ writes, full_matrices=False)
    return SingularDirections(values, vectors)


def orient(vectors: Tensor, texts: Tensor) -> Tensor:
    """Give each direction the sign that makes the largest |cosine| with a text positive.

    A direction and its opposite are the same singular vector; this chooses one whatever the
    decomposition returned. Of texts that are equally near to both poles the first counts.

    Args:
        vectors: [..., D].
        texts: unit rows, [n, D].
    """
    cosines = vectors @ texts.T
    nearest = cosines.abs().argmax(-1, keepdim=True)
    sign = cosines.gather(-1, nearest).sign()
    return vectors * torch.where(sign == 0, torch.ones_like(sign), sign)
