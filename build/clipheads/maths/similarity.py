"""How similar heads are: linear CKA of what they write, and how far their descriptions agree.

Linear CKA (centred kernel alignment; Kornblith et al., 2019, "Similarity of Neural Network
Representations Revisited", equation 4) compares two heads, also of different models, by how they
arrange the same images. With X [n, r] the centred contributions of one head and K = XXᵀ,

    CKA(K, L) = ⟨K, L⟩ / (‖K‖ ‖L‖)        ⟨K, L⟩ = tr(KL) = ‖XᵀY‖²

It is 1 if one head's contributions are those of the other, rotated and scaled. It is not 0 for
unrelated heads: if the images of one are permuted at random, its expectation is

    E CKA = tr K tr L / ((n − 1) ‖K‖ ‖L‖) = √(d_K d_L) / (n − 1),      d_K = (tr K / ‖K‖)²

exactly, where d is the effective dimension (participation ratio) of a head.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CONSTANT = 1e-6
"""A head does not vary whose deviations from its mean are smaller, relative to what it writes."""
KERNEL_VALUES = 1 << 24
"""So many values of kernels are held at once: that limits memory, and changes no result."""


@dataclass(frozen=True, eq=False)
class HeadKernels:
    """What CKA needs of the heads of a model."""

    unit: Tensor
    """[heads, n, r] float32: centred contributions X, scaled so that tr K = 1; zero for a head
    whose contribution does not vary."""
    norms: Tensor
    """[heads] float64: ‖K‖ of these."""

    @property
    def images(self) -> int:
        """How many there are, n."""
        return self.unit.shape[1]

    @property
    def dimension(self) -> Tensor:
        """The effective dimension of each head, [heads]; 0 for one that does not vary."""
        return torch.where(self.norms > 0, self.norms.clamp_min(1e-300) ** -2, 0.0)


def head_kernels(coordinates: Tensor) -> HeadKernels:
    """Centre and scale the contributions of heads over images.

    Args:
        coordinates: [n, heads, r] in an orthonormal basis of each head, which CKA does not see.
    """
    images, heads, rank = coordinates.shape
    unit, norms = torch.zeros(heads, images, rank), torch.zeros(heads, dtype=torch.float64)
    for head in range(heads):
        rows = coordinates[:, head].double()
        centred = rows - rows.mean(dim=0)
        length = centred.norm()
        if length > CONSTANT * rows.norm():
            unit[head] = centred / length
            norms[head] = (centred.T @ centred).norm() / length**2
    return HeadKernels(unit, norms)


def linear_cka(
    left: HeadKernels, right: HeadKernels, advance: Callable[[int], None] = lambda _steps: None
) -> Tensor:
    """Linear CKA of every head of `left` with every head of `right`, over the same images.

    Kernels are made a block of rows at a time, and only from the diagonal on, as they are
    symmetric: 2·H²·n²/2 multiplications for all pairs, whatever the heads' dimensions.

    Args:
        left: heads of a model.
        right: heads of the same or of another model.
        advance: called with the number of images after each block of rows.

    Returns:
        [heads of left, heads of right] float64 in [0, 1]; 0 where a head does not vary.
    """
    images = left.images
    heads = max(len(left.unit), len(right.unit))
    size = max(1, KERNEL_VALUES // (heads * images))
    products = torch.zeros(len(left.unit), len(right.unit), dtype=torch.float64)
    for start in range(0, images, size):
        rows = slice(start, min(start + size, images))
        ours = _kernel_rows(left.unit, rows)
        theirs = ours if right is left else _kernel_rows(right.unit, rows)
        products += (ours @ theirs.T).double()
        advance(rows.stop - rows.start)
    norms = left.norms[:, None] * right.norms
    return torch.where(norms > 0, products / norms.clamp_min(1e-300), 0.0).clamp(0, 1)


def chance_cka(left: HeadKernels, right: HeadKernels) -> Tensor:
    """The mean CKA of two heads over all permutations of one's images, [left, right], exactly."""
    dimensions = left.dimension[:, None] * right.dimension
    return dimensions.sqrt() / max(1, left.images - 1)


def overlaps(left: Sequence[Mapping[str, float]], right: Sequence[Mapping[str, float]]) -> Tensor:
    """How far distributions over names agree: Σ min(p, q), 1 minus their total variation distance.

    Args:
        left: distributions, each of which gives names weights that sum to 1, or is empty.
        right: others.

    Returns:
        [left, right] float64 in [0, 1].

    >>> overlaps([{"red": 0.5, "blue": 0.5}], [{"red": 0.25, "a cat": 0.75}])
    tensor([[0.2500]], dtype=torch.float64)
    """
    columns: dict[str, int] = {}
    for weights in right:
        for name in weights:
            columns.setdefault(name, len(columns))
    table = torch.zeros(len(right), len(columns), dtype=torch.float64)
    for row, weights in enumerate(right):
        for name, weight in weights.items():
            table[row, columns[name]] = weight
    found = torch.zeros(len(left), len(right), dtype=torch.float64)
    for row, weights in enumerate(left):
        shared = [name for name in weights if name in columns]
        own = torch.tensor([weights[name] for name in shared], dtype=torch.float64)
        found[row] = table[:, [columns[name] for name in shared]].minimum(own).sum(dim=1)
    return found.clamp(0, 1)


def _kernel_rows(unit: Tensor, rows: slice) -> Tensor:
    """Some rows of each head's kernel, from the diagonal on, [heads, rows × columns].

    Columns beyond these rows stand for two entries each, here and below the diagonal.
    """
    kernel = unit[:, rows] @ unit[:, rows.start :].transpose(1, 2)
    kernel[:, :, rows.stop - rows.start :] *= 2**0.5
    return kernel.flatten(1)
