"""How far the answers of an exported model are from those of torch: cosines and neighbours.

A query of one head finds the images of the gallery whose contributions are nearest to it; the
answer is a cosine for each image, and the images with the highest ones.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.bundle.search import TOP, Fidelity, Storage

MAX_ERROR = 1e-3
MIN_SAME = 0.99
"""What a compact form must keep: cosines to 1e-3, and the same top 8 in 99 % of the queries."""

MAX_ENCODER_ERROR = 0.02
"""By so much a cosine with an image of the gallery may be off for an encoder's weights to stay
compact; its vectors keep `MAX_ERROR`."""

_BLOCK = 1024


def compare_answers(
    storage: Storage,
    *,
    exact: tuple[Tensor, Tensor],
    exported: tuple[Tensor, Tensor],
) -> Fidelity:
    """Compare the answers to the same n queries in every head.

    Args:
        storage: how the exported model's weights are stored.
        exact: queries [n, heads, r] and the gallery's coordinates [N, heads, r], of torch.
        exported: the same, as a browser has them. The coordinates of both are brought to unit
            length; the queries are not rescaled.
    """
    queries, gallery = exact
    count, heads = queries.shape[:2]
    error, apart, same, compared = 0.0, 0.0, 0, 0
    for head in range(heads):
        units = [normalize(rows[:, head].float(), dim=-1) for rows in (gallery, exported[1])]
        for start in range(0, count, _BLOCK):
            part = slice(start, start + _BLOCK)
            here = queries[part, head].float() @ units[0].T
            there = exported[0][part, head].float() @ units[1].T
            apart = max(apart, _distance(queries[part, head], exported[0][part, head]))
            error = max(error, float((here - there).abs().max()))
            k = min(TOP, here.shape[1])
            tops = [scores.topk(k).indices.sort(dim=-1).values for scores in (here, there)]
            same += int((tops[0] == tops[1]).all(dim=-1).sum())
            compared += len(here)
    return Fidelity(
        storage=storage,
        measured_on=compared,
        cosine_error=_two_digits(error),
        same_top_8=math.floor(same / compared * 10_000) / 10_000 if compared else 1.0,
        vector_error=_two_digits(apart),
    )


def _distance(first: Tensor, second: Tensor) -> float:
    """The largest 1 - cosine between rows [n, r] with the same index."""
    apart = normalize(first.double(), dim=-1) - normalize(second.double(), dim=-1)
    # Half the square of the chord: 1 - cosine itself would lose all its digits.
    return float(apart.square().sum(dim=-1).max()) / 2 if len(apart) else 0.0


def _two_digits(value: float) -> float:
    """Upwards to two digits, so that the last bits of another machine do not show."""
    if value == 0:
        return 0.0
    scale = 10 ** (1 - math.floor(math.log10(value)))
    return float(f"{math.ceil(value * scale) / scale:.1e}")


def unit_queries(coordinates: Tensor) -> Tensor:
    """Make queries of images from their coordinates [n, heads, r]: the same at unit length."""
    return normalize(coordinates.float(), dim=-1)


def text_queries(texts: Tensor, basis: Tensor) -> Tensor:
    """Make queries [n, heads, r] of unit texts [n, D]: Bᵀt in every head's basis [heads, D, r]."""
    return torch.einsum("nd,hdr->nhr", texts.float(), basis.float())
