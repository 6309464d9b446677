"""How often an image's neighbours share an attribute with it."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from clipheads.maths.neighbours import nearest

NEIGHBOURS = 8

Values = Sequence[str | None]
"""The value of an attribute for each image, None where it has none."""


def neighbour_precision(vectors: Tensor, values: Values) -> float:
    """Share of each image's 8 nearest others that have its value, over images that have one.

    Args:
        vectors: [N, d], compared by cosine.
        values: of an attribute; neighbours without a value count as different.

    Raises:
        ValueError: if no image has a value.
    """
    codes = {value: code for code, value in enumerate(sorted({v for v in values if v is not None}))}
    coded = torch.tensor([-1 if value is None else codes[value] for value in values])
    asked = torch.nonzero(coded >= 0)[:, 0]
    if not len(asked):
        raise ValueError("no image has a value of this attribute")
    places, _ = nearest(vectors, NEIGHBOURS, asked)
    return float((coded[places] == coded[asked, None]).double().mean())


def precision_by_chance(values: Values) -> float:
    """Expected share when neighbours are drawn at random from the other images."""
    counts = Counter(value for value in values if value is not None)
    asked = sum(counts.values())
    return sum(n * (n - 1) for n in counts.values()) / (asked * (len(values) - 1))
