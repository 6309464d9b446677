"""Linear CKA of heads: its identities, its chance level, and the overlap of descriptions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipheads.maths import similarity
from clipheads.maths.similarity import chance_cka, head_kernels, linear_cka, overlaps


def heads_of(seed: int, images: int = 30, heads: int = 4, rank: int = 5) -> Tensor:
    """Coordinates [images, heads, rank] whose directions have different variances."""
    draw = torch.Generator().manual_seed(seed)
    scales = torch.linspace(1, 0.1, rank)
    return torch.randn(images, heads, rank, generator=draw) * scales + 3


def rotation(size: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=draw))[0]


def direct(left: Tensor, right: Tensor) -> float:
    """‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖) of the centred rows, in float64."""
    x, y = (rows.double() - rows.double().mean(dim=0) for rows in (left, right))
    return float((x.T @ y).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm()))


def cka(left: Tensor, right: Tensor) -> Tensor:
    return linear_cka(head_kernels(left), head_kernels(right))


@given(seed=st.integers(0, 2**20), block=st.integers(1, 4000))
@settings(max_examples=30, deadline=None)
def test_blocks_of_kernels_give_what_the_definition_gives_on_whole_contributions(
    seed: int, block: int
) -> None:
    left, right = heads_of(seed), heads_of(seed + 1, heads=3, rank=7)
    basis = rotation(24, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "KERNEL_VALUES", block)
        found = cka(left, right)
    for one in range(4):
        for other in range(3):
            # c = B y for an orthonormal B: the whole contributions instead of coordinates.
            contributions = left[:, one] @ basis[:, :5].T, right[:, other] @ basis[:, 5:12].T
            assert float(found[one, other]) == pytest.approx(direct(*contributions), abs=1e-5)


@given(seed=st.integers(0, 2**20), scale=st.floats(1e-4, 1e4))
@settings(max_examples=30, deadline=None)
def test_cka_does_not_see_rotation_scale_or_shift_of_a_head(seed: int, scale: float) -> None:
    left, right = heads_of(seed), heads_of(seed + 1)
    moved = scale * (right @ rotation(5, seed)) + scale
    assert torch.allclose(cka(left, moved), cka(left, right), atol=1e-5)


@given(seed=st.integers(0, 2**20))
@settings(max_examples=30, deadline=None)
def test_cka_is_symmetric_and_lies_between_0_and_1(seed: int) -> None:
    left, right = heads_of(seed), heads_of(seed + 1)
    found = cka(left, right)
    assert torch.allclose(found, cka(right, left).T, atol=1e-6)
    assert (found >= 0).all()
    assert (found <= 1).all()
    kernels = head_kernels(left)
    own = linear_cka(kernels, kernels)
    assert torch.allclose(own, own.T)
    assert torch.allclose(own.diagonal(), torch.ones(4, dtype=torch.float64), atol=1e-5)


def test_a_copy_of_a_head_among_others_is_the_most_similar_one() -> None:
    coordinates = heads_of(0, images=50, heads=6)
    coordinates[:, 4] = 0.3 * coordinates[:, 1] @ rotation(5, 1)
    found = cka(coordinates, coordinates)
    assert float(found[1, 4]) == pytest.approx(1, abs=1e-5)
    assert found.fill_diagonal_(0)[1].argmax() == 4


def test_chance_is_the_mean_over_all_permutations_of_images_exactly() -> None:
    from itertools import permutations

    left, right = heads_of(1, images=5, heads=1), heads_of(2, images=5, heads=1)
    shuffled = [direct(left[:, 0], right[list(order), 0]) for order in permutations(range(5))]
    expected = sum(shuffled) / math.factorial(5)
    chance = chance_cka(head_kernels(left), head_kernels(right))
    assert float(chance) == pytest.approx(expected, abs=1e-6)


def test_independent_heads_have_the_cka_of_chance() -> None:
    left, right = heads_of(3, images=400, heads=8), heads_of(4, images=400, heads=8)
    chance = chance_cka(head_kernels(left), head_kernels(right))
    assert float(cka(left, right).mean()) == pytest.approx(float(chance.mean()), rel=0.1)


def test_the_effective_dimension_counts_directions_of_equal_variance() -> None:
    signs = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    heads = torch.stack([signs, signs * torch.tensor([1.0, 1, 0]), signs * 0], dim=1)
    assert head_kernels(heads).dimension.tolist() == pytest.approx([3, 2, 0])


def test_a_head_that_does_not_vary_is_similar_to_none() -> None:
    coordinates = heads_of(5)
    coordinates[:, 2] = torch.tensor([0.1, 0.2, 0.3, 0.4, 1e3])
    found, chance = cka(coordinates, coordinates), chance_cka(*[head_kernels(coordinates)] * 2)
    assert found[2].tolist() == [0, 0, 0, 0]
    assert chance[2].tolist() == [0, 0, 0, 0]
    assert found.isfinite().all()


def test_overlap_is_the_weight_that_two_heads_have_in_common() -> None:
    left = [{"red": 0.5, "blue": 0.5}, {"a cat": 1.0}, {}]
    right = [{"red": 0.5, "blue": 0.5}, {"red": 0.2, "a dog": 0.8}]
    assert overlaps(left, right).tolist() == [[1, pytest.approx(0.2)], [0, 0], [0, 0]]
    assert torch.equal(overlaps(left, right), overlaps(right, left).T)
