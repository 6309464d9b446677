"""The noise level of heat maps: how large the values are in maps of texts drawn at random.

A map of any text over any image has values, in every head. Those of a text that has nothing to do
with the image, or with what the head writes, are its noise.
"""

import torch
from torch import Tensor


def noise_level(values: Tensor, quantile: float) -> Tensor:
    """The quantile of the absolute values of random maps, for each head.

    Args:
        values: [maps, heads, patches], ⟨c[n], t⟩ of each patch n, with a text t for each map.
        quantile: such as 0.95: this part of the values is smaller.

    Returns:
        [heads]

    >>> noise_level(torch.arange(-100.0, 1).reshape(1, 1, 101), 0.95)
    tensor([95.])
    """
    by_head = values.abs().transpose(0, 1).flatten(1)
    # torch.quantile refuses rows of more than 16 million values, which models of 384 heads reach.
    kept = by_head.sort(dim=1).values
    return kept[:, round(quantile * (kept.shape[1] - 1))]


def random_map(tokens: Tensor, queries: Tensor) -> Tensor:
    """A map of one text in all heads.

    Args:
        tokens: [heads, 1 + patches, r], coordinates of the tokens' contributions, class token
            first.
        queries: [heads, r], Bᵀt of a unit text t in each head.

    Returns:
        [heads, patches], ⟨c[n], t⟩.
    """
    return torch.einsum("hnr,hr->hn", tokens[:, 1:], queries)
