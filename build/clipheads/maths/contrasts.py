"""Contrasts of two texts: in which images both are found, and which heads tell them apart."""

import torch
from torch import Tensor


def worse_ranks(first: Tensor, second: Tensor) -> Tensor:
    """Rank images by how near both of two texts are.

    Args:
        first: [images], similarity to the one text.
        second: [images], to the other; the two may differ in scale.

    Returns:
        [images], the larger of an image's two ranks as a share of all images: 0.02 where it is
        among the nearest 2% for both texts. The nearest image of a text has rank 1, and equal
        similarities have the same rank.
    """
    return torch.maximum(_rank(first), _rank(second)) / max(1, len(first))


def shares_along(coordinates: Tensor, queries: Tensor, whole: Tensor) -> Tensor:
    """How much of what a model tells apart along a direction d is due to each head.

    Args:
        coordinates: [images, heads, r], y = Bᵀc, where c sums to the unit embedding f.
        queries: [heads, r], Bᵀd.
        whole: [images], ⟨f, d⟩.

    Returns:
        [heads], cov(⟨c, d⟩, ⟨f, d⟩) / var ⟨f, d⟩ over the images; over all terms of a model the
        shares sum to 1. All zero where ⟨f, d⟩ does not vary.
    """
    along = torch.einsum("nhr,hr->nh", coordinates.double(), queries.double())
    centred = whole.double() - whole.double().mean()
    variance = centred @ centred
    if not variance > 0:
        return along.new_zeros(along.shape[1])
    return centred @ (along - along.mean(dim=0)) / variance


def _rank(values: Tensor) -> Tensor:
    ordered = values.sort().values
    return 1 + len(values) - torch.searchsorted(ordered, values, right=True)
