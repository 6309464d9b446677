"""What a head really separates: how well its coordinates alone tell an attribute of an image.

Each image asks the known images nearest to it in the head's coordinates, as the atlas does when it
shows neighbours. A trained classifier would find in almost any head almost any attribute, in
directions that the head hardly uses; near neighbours tell what the head mostly varies with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.nearest_votes import balanced_accuracy, gain, told_by_nearest

Values = Sequence[str | None]
"""The value of an attribute for each image, None where it has none."""


@dataclass(frozen=True)
class Separation:
    """How well an attribute is told."""

    accuracy: float
    """Balanced accuracy in 0…1: the mean over the values of the share told rightly."""
    chance: float
    """Balanced accuracy of guessing: one over the number of values."""

    @property
    def gain(self) -> float:
        """How far from guessing (0) to knowing (1)."""
        return gain(self.accuracy, self.chance)


def separation(
    known: Tensor, known_values: Values, asked: Tensor, asked_values: Values
) -> Separation:
    """Tell an attribute of images by the vote of the 8 nearest known ones.

    Images without a value take no part.

    Args:
        known: [n, r], coordinates of one head for the images that vote.
        known_values: of these images.
        asked: [m, r], for the images that are asked about.
        asked_values: of these; values that are not among the known ones take no part.

    Raises:
        ValueError: if the known images show fewer than two values, or none of them is asked.
    """
    names = sorted({value for value in known_values if value is not None})
    if len(names) < 2:
        raise ValueError(f"an attribute needs two values to be told apart, but there are {names}")
    places = {name: place for place, name in enumerate(names)}
    voters, classes = _with_value(known, known_values, places)
    askers, truth = _with_value(asked, asked_values, places)
    if not len(truth):
        raise ValueError("none of the asked images has one of the known values")

    told = told_by_nearest(torch.cdist(askers, voters), classes, len(names))
    return Separation(balanced_accuracy(told, truth), 1 / len(names))


def _with_value(
    coordinates: Tensor, values: Values, places: dict[str, int]
) -> tuple[Tensor, Tensor]:
    """The rows with a known value, and the places of their values."""
    rows = [row for row, value in enumerate(values) if value in places]
    chosen = [places[str(values[row])] for row in rows]
    return coordinates[rows].float(), torch.tensor(chosen, dtype=torch.long)
