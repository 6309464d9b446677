"""A map equal to the mask is perfect, a constant map is chance, and order is all that AP sees."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from clipheads.truth.map_scores import average_precision, centre_prior, enlarge, score_map


def disc(side: int = 64, x: float = 0.4, y: float = 0.6, radius: float = 0.2) -> np.ndarray:
    axis = (np.arange(side) + 0.5) / side
    return np.asarray(np.hypot(axis[None, :] - x, axis[:, None] - y) < radius)


def test_a_map_equal_to_the_mask_scores_one_in_all_three() -> None:
    score = score_map(disc().astype(float), disc())

    assert (score.accuracy, score.iou, score.precision) == (1.0, 1.0, 1.0)


def test_the_opposite_of_the_mask_finds_nothing_of_the_object() -> None:
    score = score_map(1.0 - disc(), disc())

    assert score.accuracy == 0.0
    assert score.iou == 0.0
    # All of the object comes last: precision at recall 1 is the object's share.
    assert score.precision == pytest.approx(disc().mean(), abs=0.1)


def test_a_constant_map_is_chance() -> None:
    mask = disc()
    score = score_map(np.full(mask.shape, 0.3), mask)

    # Nothing lies above the mean: all is background, and any order is as good as any other.
    assert score.accuracy == pytest.approx(1 - mask.mean())
    assert score.iou == pytest.approx((1 - mask.mean()) / 2)
    assert score.precision == pytest.approx(mask.mean())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-10, 10))
def test_scale_and_offset_of_a_map_change_nothing(seed: int, scale: float, offset: float) -> None:
    heat = np.random.default_rng(seed).normal(size=(16, 16))
    mask = disc(16)
    plain, moved = score_map(heat, mask), score_map(heat * scale + offset, mask)

    assert moved.accuracy == pytest.approx(plain.accuracy, abs=0.01)
    assert moved.iou == pytest.approx(plain.iou, abs=0.01)
    assert moved.precision == pytest.approx(plain.precision, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_average_precision_is_that_of_scikit_learn_ties_included(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(levels, size=200).astype(float)
    truth = rng.random(200) < 0.3
    truth[0] = True

    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))


def test_a_mask_without_two_sides_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="object and pixels of the background"):
        score_map(np.zeros((4, 4)), np.ones((4, 4), dtype=bool))


def test_enlarging_keeps_the_values_at_the_centres_of_the_patches() -> None:
    grid = np.arange(12.0).reshape(3, 4)
    large = enlarge(grid, 120)

    assert large.shape == (120, 120)
    around = [(large[59, column - 1] + large[60, column]) / 2 for column in (45, 75)]
    assert np.allclose(around, grid[1, 1:3])
    assert large.min() == 0
    assert large.max() == 11


def test_the_centre_prior_finds_the_centre_and_not_the_corner() -> None:
    prior = centre_prior(64)

    assert score_map(prior, disc(x=0.5, y=0.5)).precision > 0.99
    assert score_map(prior, disc(x=0.15, y=0.15, radius=0.12)).precision < 0.1
