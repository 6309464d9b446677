"""Precision@8: how often an image's nearest neighbours (k-NN) share an attribute with it."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from clipheads.bundle.ground_truth import PRECISION_NEIGHBOURS
from clipheads.maths.neighbours import nearest

Values = Sequence[str | None]
"""The value of an attribute for each image, None where it has none."""


def neighbour_precision(vectors: Tensor, values: Values) -> float:
    """Precision@8: share of each image's 8 nearest others that have its value of an attribute.

    Args:
        vectors: [N, d], compared by cosine.
        values: of an attribute; an image without one is no query, but counts as a neighbour that
            differs.

    Raises:
        ValueError: if no image has a value.
    """
    codes = {value: code for code, value in enumerate(sorted({v for v in values if v is not None}))}
    coded = torch.tensor([-1 if value is None else codes[value] for value in values])
    queries = torch.nonzero(coded >= 0)[:, 0]
    if not len(queries):
        raise ValueError("no image has a value of this attribute")
    neighbours, _ = nearest(vectors, PRECISION_NEIGHBOURS, queries)
    return float((coded[neighbours] == coded[queries, None]).double().mean())


def precision_by_chance(values: Values) -> float:
    """Chance level of `neighbour_precision`: neighbours drawn at random from the other images."""
    counts = Counter(value for value in values if value is not None)
    queries = sum(counts.values())
    return sum(n * (n - 1) for n in counts.values()) / (queries * (len(values) - 1))
