"""How well a heat map segments an object whose mask is given.

The three metrics of the literature on ImageNet-Segmentation, so that readers can compare: pixel
accuracy and mean IoU of the map thresholded at its own mean, and average precision, which needs no
threshold.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class MapScore:
    """One map against one mask, all in 0…1."""

    accuracy: float
    """Pixel accuracy of the thresholded map."""
    iou: float
    """Intersection over union of object and background, averaged over the two."""
    precision: float
    """Average precision of the pixels in the order of the map."""


def score_map(heat: NDArray[np.floating], mask: NDArray[np.bool_]) -> MapScore:
    """Score a map by the mask of what it should find.

    Args:
        heat: [height, width]; pixels above the mean count as the object.
        mask: [height, width]; with at least one pixel of object and one of background.

    Raises:
        ValueError: if the mask has only one side.
    """
    if mask.all() or not mask.any():
        raise ValueError("a mask needs pixels of the object and pixels of the background")
    # A constant map has no pixel above its mean, however the mean is rounded.
    found = heat - heat.mean() > 1e-9 * np.abs(heat).max()
    ious = [
        float((found == side)[mask == side].sum() / ((found == side) | (mask == side)).sum())
        for side in (True, False)
    ]
    return MapScore(
        accuracy=float((found == mask).mean()),
        iou=sum(ious) / 2,
        precision=average_precision(heat.ravel(), mask.ravel()),
    )


def average_precision(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Mean precision at the rank of each true item; equal scores share one rank.

    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    0.8333333333333333
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    # Precision is read where a run of equal scores ends: no order within it is arbitrary.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    recalls = np.diff(hits[ends], prepend=0) / hits[-1]
    return float(recalls @ (hits[ends] / (ends + 1)))


def enlarge(grid: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """Stretch a grid of patches smoothly over a square of pixels, as the pages do.

    Args:
        grid: [rows, columns].
        side: of the square, in pixels.

    Returns:
        [side, side], bilinear between the centres of the patches.
    """
    cells = torch.as_tensor(np.asarray(grid, dtype=np.float64))[None, None]
    return interpolate(cells, (side, side), mode="bilinear", align_corners=False)[0, 0].numpy()


def centre_prior(side: int) -> NDArray[np.float64]:
    """The centre-prior baseline, which sees no image: a Gaussian in the centre, [side, side]."""
    axis = (np.arange(side) + 0.5) / side - 0.5
    return np.asarray(np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 0.25**2)))
