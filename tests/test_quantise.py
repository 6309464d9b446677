"""Rows of integers with a scale are as near to the numbers as their step allows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from clipheads.browser.quantise import quantise

ROWS = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-1e3, 1e3).map(lambda value: round(value, 3)),
)


@given(ROWS, st.sampled_from([np.int8, np.int16]))
def test_no_number_is_off_by_more_than_half_a_step(
    rows: np.ndarray, kind: type[np.signedinteger]
) -> None:
    integers, scales = quantise(rows, kind)
    assert integers.dtype == kind
    assert (integers.shape, scales.shape) == (rows.shape, rows.shape[:-1])
    step = scales.astype(np.float64)[..., None]
    assert (np.abs(integers * step - rows) <= 0.5001 * step + 1e-6 * np.abs(rows)).all()


@given(ROWS)
def test_the_opposite_numbers_give_the_opposite_integers(rows: np.ndarray) -> None:
    integers, scales = quantise(rows, np.int8)
    opposite, same = quantise(-rows, np.int8)
    np.testing.assert_array_equal(opposite, -integers)
    np.testing.assert_array_equal(same, scales)


def test_the_largest_number_takes_the_largest_integer_and_zeros_stay_zeros() -> None:
    integers, scales = quantise(np.array([[0.5, -2.0], [0.0, 0.0]]), np.int16)
    assert integers.tolist() == [[8192, -32767], [0, 0]]
    assert scales.tolist() == [np.float32(2 / 32767), 0.0]
