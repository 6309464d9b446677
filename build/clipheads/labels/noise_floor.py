"""Whether the texts of a property explain a head better than as many texts beside it.

A pool has texts that happen to lie along any head, also of a model with random weights. Sets of the
property's own texts are compared with equally large sets of other texts, because a property with a
hundred texts explains more by their number alone.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clipheads.bundle.labels import NoiseFloor
from clipheads.maths.text_span import explained_by_sets

LEAST_RATIO = 1.25
"""The texts of a property explain so many times what 95% of the sets of other texts do."""

LEAST_RATIO_OF_NARROWER = 1.5
"""The same for a property that is part of a wider one. The texts beside it are of its own kind, and
to name the narrower where the wider is true says what is not so; the wider is true in any case."""

FLOOR_QUANTILE = 0.95
DRAWS = 100
"""Sets of texts drawn from the property, and as many from those beside it."""

MOST_TEXTS = 64
"""In a set; more would differ little and cost more."""

PICKS = 5
"""Texts picked from a set, or all of a smaller one."""

SEED = 0


def noise_floor(
    own: Sequence[int],
    others: Sequence[int],
    covariance: Tensor,
    texts: Tensor,
    *,
    least_ratio: float,
) -> NoiseFloor:
    """Compare the texts of a property with as many of those beside it.

    Args:
        own: the texts of the property, rows of `texts`.
        others: the texts beside it.
        covariance: Σ of the head's coordinates over the gallery, [r, r].
        texts: the pool's text embeddings in the head's coordinates, [n, r].
        least_ratio: of what `own` explain to the floor, for them to be clearly better.
    """
    size = min(len(own), len(others), MOST_TEXTS)
    if size == 0:
        # It has no siblings: it says no more of the head than its parent does.
        return NoiseFloor(texts=0, explained=0.0, floor=0.0, clear=False)
    rng = np.random.default_rng(SEED)
    k = min(PICKS, size)
    explained = explained_by_sets(covariance, texts[_draws(own, size, rng)], k)
    beside = explained_by_sets(covariance, texts[_draws(others, size, rng)], k)
    value = float(explained.mean())
    floor = float(beside.quantile(FLOOR_QUANTILE))
    return NoiseFloor(
        texts=size,
        explained=round(value, 4),
        floor=round(floor, 4),
        clear=value >= least_ratio * floor,
    )


def _draws(rows: Sequence[int], size: int, rng: np.random.Generator) -> Tensor:
    """Draw sets of texts without repetition, [sets, size]; a single set of all `size` texts."""
    if size == len(rows):
        return torch.tensor([list(rows)])
    drawn = [rng.choice(len(rows), size, replace=False) for _ in range(DRAWS)]
    return torch.tensor(np.asarray(rows)[np.stack(drawn)])
