"""A contrast shows pictures near to both texts, and the heads that tell the texts apart."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipheads.maths.contrasts import shares_along, worse_ranks


def test_an_image_is_only_as_near_as_to_the_farther_text():
    both, one_only, neither = 0, 1, 2
    cat = torch.tensor([0.31, 0.35, 0.20])
    grass = torch.tensor([0.16, 0.05, 0.10])
    ranks = worse_ranks(cat, grass)
    assert ranks.argmin() == both
    assert ranks[one_only] == 1  # the nearest to the cat, and the last to the grass
    assert ranks[both] == pytest.approx(2 / 3)
    assert ranks[neither] == 1


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.floats(0.01, 100))
def test_ranks_depend_on_the_order_alone(values: list[int], scale: float):
    similarity = torch.tensor(values, dtype=torch.float64)
    ranks = worse_ranks(similarity, scale * similarity - 3)
    larger = [sum(other > value for other in values) for value in values]
    assert ranks.tolist() == pytest.approx([(1 + more) / len(values) for more in larger])


def test_shares_of_all_terms_sum_to_one():
    generator = torch.Generator().manual_seed(0)
    terms = torch.randn(40, 5, 3, generator=generator, dtype=torch.float64)
    direction = torch.randn(3, generator=generator, dtype=torch.float64)
    shares = shares_along(terms, direction.expand(5, 3), (terms @ direction).sum(1))
    assert shares.sum() == pytest.approx(1)


def test_the_one_head_that_varies_along_the_contrast_has_all_of_it():
    along = torch.tensor([1.0, -1.0, 0.5, 2.0])
    coordinates = torch.zeros(4, 3, 2)
    coordinates[:, 1, 0] = along
    coordinates[:, 0, 1] = along.flip(0)  # varies, but not along the contrast
    coordinates[:, 2, 0] = 7  # adds the same to every image
    queries = torch.tensor([1.0, 0.0]).expand(3, 2)
    shares = shares_along(coordinates, queries, along + 7)
    assert shares.tolist() == pytest.approx([0, 1, 0])


def test_a_model_that_tells_nothing_apart_has_no_shares():
    assert shares_along(torch.ones(4, 2, 3), torch.ones(2, 3), torch.ones(4)).tolist() == [0, 0]
