"""Slope charts show two orders of the same things, and every text stays readable."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headatlas.pictures.slope_chart import slope_chart

SHARES = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.tuples(st.just("model"), SHARES, SHARES), min_size=1, max_size=12))
def test_no_two_texts_overlap_and_none_leaves_the_chart(values: list[tuple[str, float, float]]):
    slopes = slope_chart(values, height=240, line=20)
    for heights in ([s.left_text_at for s in slopes], [s.right_text_at for s in slopes]):
        assert all(low + 20 <= high + 0.05 for low, high in pairwise(sorted(heights)))
        assert min(heights) >= 10 - 0.05
        assert max(heights) <= 230 + 0.05


def test_ends_are_at_their_values_with_the_largest_on_top():
    falling, rising = slope_chart([("a", 1.0, 0.0), ("b", 0.25, 0.5)], height=100, line=20)
    assert (falling.left_at, falling.right_at, falling.rises) == (10, 90, False)
    assert (rising.left_at, rising.right_at, rising.rises) == (70, 50, True)
    assert falling.left_text_at == falling.left_at


def test_equal_values_share_a_point_and_not_a_text():
    slopes = slope_chart([("a", 0, 0.5), ("b", 1, 0.5)], height=100, line=20)
    assert slopes[0].right_at == slopes[1].right_at == 50
    assert abs(slopes[0].right_text_at - slopes[1].right_text_at) == 20


def test_texts_that_cannot_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        slope_chart([("a", 0, 1)] * 3, height=50, line=20)
