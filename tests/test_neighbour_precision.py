"""Neighbours in a head that is one attribute share it; those in noise do so by chance."""

import pytest
import torch

from clipheads.truth.neighbour_precision import neighbour_precision, precision_by_chance


def test_a_planted_head_has_only_true_neighbours() -> None:
    values = ["red", "green", "blue", None] * 30
    directions = {"red": 0, "green": 1, "blue": 2, None: 3}
    vectors = torch.randn(120, 5, generator=torch.Generator().manual_seed(0)) * 0.02
    vectors[torch.arange(120), torch.tensor([directions[value] for value in values])] += 1

    assert neighbour_precision(vectors, values) == 1.0


def test_noise_has_as_many_true_neighbours_as_chance() -> None:
    values = ["red"] * 300 + ["green"] * 100 + [None] * 100
    vectors = torch.randn(500, 20, generator=torch.Generator().manual_seed(0))

    assert neighbour_precision(vectors, values) == pytest.approx(
        precision_by_chance(values), abs=0.02
    )


def test_chance_counts_pairs_of_others() -> None:
    # Each of the two red images has one red image among three others; the green one has none.
    assert precision_by_chance(["red", "red", "green", None]) == pytest.approx((1 + 1 + 0) / 9)


def test_without_any_value_nothing_can_be_asked() -> None:
    with pytest.raises(ValueError, match="no image"):
        neighbour_precision(torch.eye(3), [None, None, None])
