"""How a head spreads: dimensions, principal directions and distributions of planted heads."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from clipheads.bundle.spread import MOST_BINS, TENTHS
from clipheads.maths.moments import moments
from clipheads.maths.spread import (
    POLE_SAMPLES,
    TENTH_SAMPLES,
    effective_dimension,
    principal_directions,
    share_along,
    spread,
    texts_at_poles,
    varies,
)


def planted(variances: list[float], seed: int = 0) -> tuple[Tensor, Tensor]:
    """A covariance with these eigenvalues, and its eigenvectors as rows, both [r, r]."""
    generator = torch.Generator().manual_seed(seed)
    size = len(variances)
    square = torch.randn(size, size, dtype=torch.float64, generator=generator)
    rows = torch.linalg.qr(square)[0].T
    return rows.T @ torch.diag(torch.tensor(variances, dtype=torch.float64)) @ rows, rows


numbers = st.lists(st.integers(-1000, 1000), min_size=1, max_size=60)


def as_values(found: list[int]) -> Tensor:
    """Numbers that float64 holds exactly, so that ties are ties."""
    return torch.tensor(found, dtype=torch.float64) / 8


@pytest.mark.parametrize("dimensions", [1, 2, 7])
def test_a_head_that_varies_alike_along_k_directions_has_k_dimensions(dimensions: int) -> None:
    covariance, _ = planted([3.0] * dimensions + [0.0] * (7 - dimensions))
    assert effective_dimension(covariance) == pytest.approx(dimensions)


def test_the_effective_dimension_of_known_eigenvalues() -> None:
    covariance, _ = planted([4.0, 1.0, 1.0])
    assert effective_dimension(covariance) == pytest.approx(6**2 / 18)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0.01, 100))
def test_the_effective_dimension_lies_between_one_and_all_whatever_the_scale(
    variances: list[float], scale: float
) -> None:
    covariance = torch.diag(torch.tensor(variances, dtype=torch.float64))
    found = effective_dimension(covariance)
    assert 1 - 1e-9 <= found <= len(variances) + 1e-9
    assert effective_dimension(scale * covariance) == pytest.approx(found)


def test_a_head_that_does_not_vary_has_no_dimension() -> None:
    assert effective_dimension(torch.zeros(3, 3)) == 0


def test_principal_directions_are_those_that_were_planted_largest_first() -> None:
    covariance, rows = planted([1.0, 9.0, 0.5, 4.0])
    found = principal_directions(covariance, torch.ones(4), 3)
    assert found.variances.tolist() == pytest.approx([9.0, 4.0, 1.0])
    along = found.directions @ rows[[1, 3, 0]].T
    assert torch.allclose(along.abs(), torch.eye(3, dtype=torch.float64), atol=1e-12)


def test_principal_directions_point_to_the_side_of_the_mean_contribution() -> None:
    covariance, _ = planted([1.0, 9.0, 0.5, 4.0])
    mean = torch.tensor([1.0, -2.0, 3.0, 0.5])
    towards = principal_directions(covariance, mean, 4).directions
    away = principal_directions(covariance, -mean, 4).directions
    assert bool((towards @ mean.double() > 0).all())
    assert torch.equal(towards, -away)


def test_a_head_along_one_axis_has_one_principal_direction() -> None:
    covariance, rows = planted([0.0, 2.0, 0.0])
    found = principal_directions(covariance, torch.zeros(3), 3)
    assert found.directions.shape == (1, 3)
    assert abs(float(found.directions[0] @ rows[1])) == pytest.approx(1)


def test_rounding_of_a_constant_contribution_is_not_variance() -> None:
    constant = torch.full((50, 4), 0.3) + 1e-9 * torch.randn(
        50, 4, generator=torch.Generator().manual_seed(0)
    )
    found = moments(constant)
    assert not varies(found.covariance, found.mean)
    assert len(principal_directions(found.covariance, found.mean, 3).variances) == 0


def test_a_planted_direction_is_found_in_contributions() -> None:
    generator = torch.Generator().manual_seed(0)
    direction = torch.tensor([0.6, 0.0, 0.8])
    strengths = torch.randn(400, 1, generator=generator)
    found = moments(strengths * direction + 0.01 * torch.randn(400, 3, generator=generator))
    (first,) = principal_directions(found.covariance, direction, 1).directions
    assert torch.allclose(first, direction.double(), atol=0.01)


def test_shares_of_variance_along_orthonormal_directions_sum_to_one() -> None:
    covariance, _ = planted([5.0, 2.0, 1.0, 0.1])
    _, others = planted([1.0] * 4, seed=1)
    assert float(share_along(covariance, others).sum()) == pytest.approx(1)


def test_no_text_exceeds_the_first_principal_direction() -> None:
    covariance, rows = planted([5.0, 2.0, 1.0, 0.1])
    texts = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    best = float(share_along(covariance, rows[:1])[0])
    assert best == pytest.approx(5 / 8.1)
    assert bool((share_along(covariance, texts) <= best).all())


def test_the_length_of_a_text_does_not_change_its_share() -> None:
    covariance, _ = planted([5.0, 2.0])
    texts = torch.tensor([[1.0, 2.0], [0.01, 0.02]])
    first, second = share_along(covariance, texts).tolist()
    assert first == pytest.approx(second)


def test_texts_at_the_poles_are_those_furthest_along_the_direction_from_their_mean() -> None:
    offset = torch.tensor([10.0, -7.0])
    texts = offset + torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0], [1.0, -3.0]])
    assert texts_at_poles(torch.eye(2), texts) == [(1, 0), (3, 2)]


def test_deciles_of_a_known_distribution() -> None:
    """0, 1, …, 1000 in any order: the deciles are 0, 100, …, 1000, and bins are even."""
    values = torch.randperm(1001, generator=torch.Generator().manual_seed(0))
    found = spread(values)
    assert found.quantiles == pytest.approx([100.0 * step for step in range(TENTHS + 1)])
    assert len(found.counts) == 32  # the root of 1001 is 31.6
    assert max(found.counts) - min(found.counts) <= 1
    assert values[found.lowest].tolist() == [0, 1, 2, 3]
    assert values[found.highest].tolist() == [1000, 999, 998, 997]
    # The first tenth is 0 … 99 with the median 49.5.
    assert found.tenths[0][0] == 49.5
    assert values[found.tenths[0][1]].tolist() == [49, 50]


def test_deciles_of_a_normal_distribution() -> None:
    normal = torch.distributions.Normal(0.0, 1.0)
    values = normal.icdf((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000)
    steps = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    found = spread(values)
    assert [found.quantiles[1], found.quantiles[5], found.quantiles[9]] == pytest.approx(
        normal.icdf(steps).tolist(), abs=1e-3
    )
    assert len(found.counts) == MOST_BINS


@given(numbers)
def test_every_image_is_in_one_bin_and_in_one_tenth(given_values: list[int]) -> None:
    values = as_values(given_values)
    found = spread(values)
    assert sum(found.counts) == len(values)
    assert len(found.tenths) == min(TENTHS, len(values))
    shown = [image for _, images in found.tenths for image in images]
    assert len(set(shown)) == len(shown)
    assert all(1 <= len(images) <= TENTH_SAMPLES for _, images in found.tenths)


@given(numbers)
def test_images_are_in_the_order_of_their_values(given_values: list[int]) -> None:
    values = as_values(given_values)
    found = spread(values)
    ends = min(POLE_SAMPLES, len(values))
    assert values[found.lowest].tolist() == sorted(values.tolist())[:ends]
    assert values[found.highest].tolist() == sorted(values.tolist(), reverse=True)[:ends]
    rising = [float(values[image]) for _, images in found.tenths for image in images]
    assert rising == sorted(rising)
    medians = [median for median, _ in found.tenths]
    assert medians == sorted(medians)


@given(numbers, st.integers(-8, 8).filter(bool), st.integers(-100, 100))
def test_a_rescaled_head_shows_the_same_images(
    given_values: list[int], scale: int, offset: int
) -> None:
    distinct = as_values(list(dict.fromkeys(given_values)))
    found, changed = spread(distinct), spread(scale * distinct + offset)
    if scale > 0:
        assert (changed.lowest, changed.highest) == (found.lowest, found.highest)
        assert changed.counts == found.counts
    else:
        assert (changed.lowest, changed.highest) == (found.highest, found.lowest)


def test_equal_values_are_in_the_order_of_the_gallery() -> None:
    found = spread(torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]))
    assert found.lowest == [1, 3, 5, 0]
    assert found.highest == [0, 2, 4, 1]
    assert [images for _, images in found.tenths] == [[1], [3], [5], [0], [2], [4]]
    assert found.counts == [3, 0, 3]


@pytest.mark.parametrize("images", [1, 3, 25])
def test_a_constant_head_has_one_bin_and_shows_the_gallery_in_order(images: int) -> None:
    found = spread(torch.full((images,), 0.25))
    assert found.counts == [images]
    assert found.quantiles == [0.25] * (TENTHS + 1)
    assert found.lowest == found.highest == list(range(min(POLE_SAMPLES, images)))


def test_what_varies_by_rounding_alone_is_constant() -> None:
    values = 0.3 + 1e-9 * torch.randn(30, dtype=torch.float64)
    found = spread(values, noise=1e-7)
    assert found.counts == [30]
    assert found.lowest == [0, 1, 2, 3]
    assert len(set(found.values)) == 1


def test_a_gallery_of_fewer_than_ten_images_has_a_group_for_each() -> None:
    found = spread(torch.tensor([3.0, 1.0, 2.0]))
    assert found.tenths == [(1.0, [1]), (2.0, [2]), (3.0, [0])]
    assert found.quantiles[0::5] == [1.0, 2.0, 3.0]
