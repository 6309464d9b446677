"""Eight neighbours vote; no class wins by its number, and nobody votes on itself."""

import pytest
import torch

from clipheads.nearest_votes import balanced_accuracy, gain, told_by_nearest


def test_a_vote_weighs_less_the_more_common_its_class_is() -> None:
    # Six of the eight nearest are common, two rare; there are a hundred of the one and four of
    # the other, so that a rare vote weighs as much as twenty-five common ones.
    classes = torch.tensor([0] * 100 + [1] * 4)
    distances = torch.full((1, 104), 9.0)
    distances[0, :6] = 1.0
    distances[0, 100:102] = 1.0

    assert told_by_nearest(distances, classes, 2).tolist() == [1]


def test_who_is_infinitely_far_has_no_vote() -> None:
    classes = torch.tensor([0, 1, 1])
    distances = torch.tensor([[torch.inf, 1.0, 2.0], [1.0, torch.inf, torch.inf]])

    assert told_by_nearest(distances, classes, 2).tolist() == [1, 0]


def test_balanced_accuracy_is_the_mean_of_the_recalls() -> None:
    truth = torch.tensor([0, 0, 0, 0, 1, 1])

    assert balanced_accuracy(torch.tensor([0, 0, 0, 0, 0, 0]), truth) == 0.5
    assert balanced_accuracy(torch.tensor([0, 0, 0, 1, 1, 1]), truth) == pytest.approx(0.875)


def test_gain_runs_from_guessing_to_knowing() -> None:
    assert gain(0.25, 0.25) == 0
    assert gain(1.0, 0.25) == 1
    assert gain(0.625, 0.25) == 0.5
