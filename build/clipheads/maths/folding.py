"""What stands between a head's attention and the embedding, folded into one matrix and vectors.

W_O, b_O, LayerScale s, γ, β and the projection P are affine in z. Where μ and σ are the mean and
deviation of the residual stream, a sum of T = 2L + 1 terms, and ‖f‖ the length of the embedding,
a head's contribution is

    (z of_z + of_bias − μ of_mean) / (σ ‖f‖) + of_beta / ‖f‖
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.model.tower import VisionTower


@dataclass(frozen=True, eq=False)
class FoldedHeads:
    """The folded weights of some heads, with D dimensions or, in the heads' bases, with r."""

    of_z: Tensor
    """(W_O z ⊙ s ⊙ γ) P as a matrix on z, [heads, d_head, D]."""
    of_bias: Tensor
    """(b_O / H ⊙ s ⊙ γ) P, [heads, 1, D]."""
    of_mean: Tensor
    """(γ / (H T)) P, [heads, 1, D]."""
    of_beta: Tensor
    """(β / (H T)) P, [heads, 1, D]."""

    def in_bases(self, basis: Tensor) -> "FoldedHeads":
        """Write them in the heads' bases B, [heads, D, r] with orthonormal columns."""
        return FoldedHeads(*(part @ basis for part in self.parts()))

    def select(self, rows: Tensor) -> "FoldedHeads":
        """Keep only these heads."""
        return FoldedHeads(*(part[rows] for part in self.parts()))

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four tensors."""
        return self.of_z, self.of_bias, self.of_mean, self.of_beta


@torch.no_grad()
def fold_heads(tower: VisionTower) -> FoldedHeads:
    """Fold the weights behind every head, layer by layer; float64 on the CPU."""
    heads = tower.blocks[0].heads
    gamma, projection = exact(tower.norm.weight), exact(tower.projection)
    of_z, of_bias = [], []
    for block in tower.blocks:
        scale = gamma if block.attention_scale is None else gamma * exact(block.attention_scale)
        weight, bias = exact(block.out_weight), exact(block.out_bias)
        projected = (weight.T * scale) @ projection  # [W, D]: one row for each entry of all z
        of_z.append(torch.unflatten(projected, 0, (heads, -1)))
        of_bias.append(((bias * scale) @ projection / heads).expand(heads, 1, -1))
    bias = torch.cat(of_bias)
    of_mean, of_beta = (part.expand_as(bias) / heads for part in fold_norm(tower))
    return FoldedHeads(torch.cat(of_z), bias, of_mean, of_beta)


@torch.no_grad()
def fold_norm(tower: VisionTower) -> tuple[Tensor, Tensor]:
    """Return (γ / T) P and (β / T) P, [D] in float64: what falls to each of the T terms."""
    terms = 2 * len(tower.blocks) + 1
    projection = exact(tower.projection)
    gamma, beta = (
        exact(parameter) @ projection / terms for parameter in (tower.norm.weight, tower.norm.bias)
    )
    return gamma, beta


def exact(parameter: Tensor) -> Tensor:
    """Return a weight in float64, on the CPU since not every device has that."""
    return parameter.detach().cpu().double()
