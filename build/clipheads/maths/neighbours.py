"""Exact k-NN by the contributions of a head: of images, of texts, and by property.

All inner products are taken on coordinates y = Bᵀc in the head's own orthonormal basis,
where they equal those between the contributions c themselves.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

_LARGEST_INDEX = 0xFFFF_FFFF


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the indices and values of the `k` highest scores of each row, highest first.

    Ties are broken by the lower index, on every device. With fewer than `k` columns all are
    returned.

    Args:
        scores: [..., n] float32, without NaN.
        k: number of scores.

    Returns:
        indices [..., k] int64 and scores [..., k] float32.

    >>> top_k(torch.tensor([0.5, 1.0, 0.5, 0.5]), 3)[0].tolist()
    [1, 0, 2]
    """
    # Adding zero turns -0.0 into 0.0, which compare alike but differ in their bits.
    bits = (scores.float() + 0.0).contiguous().view(torch.int32)
    # Floats order like their bits, negative ones the other way round.
    ordered = (bits ^ ((bits >> 31) & 0x7FFF_FFFF)).long()
    rank = _LARGEST_INDEX - torch.arange(scores.shape[-1], device=scores.device)
    keys = (ordered << 32) + rank
    chosen = keys.topk(min(k, scores.shape[-1]), dim=-1).values
    indices = _LARGEST_INDEX - (chosen & _LARGEST_INDEX)
    return indices, scores.float().gather(-1, indices)


def nearest(vectors: Tensor, k: int, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Find for each vector the `k` others of highest cosine.

    Args:
        vectors: [N, d]; a zero vector has cosine 0 with all.
        k: number of neighbours.
        rows: indices of the query vectors; all if None.

    Returns:
        indices [rows, k'] and cosines [rows, k'], k' = min(k, N − 1), never a vector itself.
    """
    unit = normalize(vectors.float(), dim=-1)
    count = len(unit)
    queries = torch.arange(count) if rows is None else rows
    block = max(1, 4_000_000 // max(1, count))
    k = min(k, count - 1)
    found = []
    for part in torch.split(queries, block):
        cosines = unit[part] @ unit.T
        cosines[torch.arange(len(part)), part] = -torch.inf
        found.append(top_k(cosines, k))
    indices, cosines = (torch.cat(parts) for parts in zip(*found, strict=True))
    return indices, cosines.clamp(-1, 1)


def image_neighbours(
    coordinates: Tensor, k: int = 8, advance: Callable[[int], None] = lambda _steps: None
) -> tuple[Tensor, Tensor]:
    """Find for each head and image the images with the most similar contribution.

    Args:
        coordinates: [N, heads, r], the coordinates of all images in all heads.
        k: number of neighbours.
        advance: called with 1 after each head.

    Returns:
        indices [heads, N, k'] int32 and cosines [heads, N, k'] float32, k' = min(k, N − 1).
    """
    images, heads, _ = coordinates.shape
    k = min(k, images - 1)
    indices = torch.empty(heads, images, k, dtype=torch.int32)
    cosines = torch.empty(heads, images, k)
    for head in range(heads):
        indices[head], cosines[head] = nearest(coordinates[:, head], k)
        advance(1)
    return indices, cosines


def text_neighbours(coordinates: Tensor, queries: Tensor, k: int = 8) -> tuple[Tensor, Tensor]:
    """Find for each text the images whose contribution by a head is most similar to it.

    Args:
        coordinates: [N, r], of all images in one head.
        queries: [n, r], Bᵀt of unit texts t. They are not normalised: the score
            is ⟨c, t⟩ / (‖c‖ ‖t‖), the cosine in the joint embedding.
        k: number of neighbours.

    Returns:
        indices [n, k'] and cosines [n, k'], k' = min(k, N).
    """
    return top_k(queries @ normalize(coordinates.float(), dim=-1).T, k)


def property_vectors(coordinates: Tensor, basis: Tensor, heads: Sequence[int]) -> Tensor:
    """Mean contribution of each image over the heads that are labelled with a property.

    Different heads have different bases, so this is taken in the joint embedding.

    Args:
        coordinates: [N, heads, r].
        basis: [heads, D, r].
        heads: indices of the labelled heads.

    Returns:
        [N, D].
    """
    chosen = list(heads)
    mean = coordinates.new_zeros(len(coordinates), basis.shape[1])
    for head in chosen:
        mean += coordinates[:, head] @ basis[head].T
    return mean / len(chosen)
