"""What an image shows, told by the vote of the images nearest to it; and how far that is true."""

import torch
from torch import Tensor

VOTERS = 8


def told_by_nearest(distances: Tensor, classes: Tensor, count: int) -> Tensor:
    """Let the 8 nearest images vote on the class of each image.

    A vote weighs the less the more common its class is, so that no class wins by its number.

    Args:
        distances: [m, n] from the askers to the voters; infinite where one may not vote.
        classes: [n], of the voters, in 0 … count − 1.
        count: how many classes there are.

    Returns:
        [m], the class with most weight.
    """
    nearest = distances.topk(min(VOTERS, distances.shape[1]), largest=False)
    sizes = torch.bincount(classes, minlength=count).double()
    weights = (1 / sizes.clamp(min=1))[classes[nearest.indices]]
    weights = weights * nearest.values.isfinite()
    votes = torch.zeros(len(distances), count, dtype=torch.float64)
    votes.scatter_add_(1, classes[nearest.indices], weights)
    return votes.argmax(dim=1)


def balanced_accuracy(told: Tensor, truth: Tensor) -> float:
    """Mean over the classes that occur of the share told rightly, [m] and [m]."""
    recalls = [float((told[truth == v] == v).double().mean()) for v in set(truth.tolist())]
    return sum(recalls) / len(recalls)


def gain(accuracy: float, chance: float) -> float:
    """How far from guessing (0) to knowing (1); many classes then compare with few."""
    return (accuracy - chance) / (1 - chance)
