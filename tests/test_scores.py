"""Entanglement and association on cases that a reader can count by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipheads.maths.scores import association, entanglement, share_of_heads


def test_all_different_is_disentangled() -> None:
    score = entanglement(["colour", "animals", "weather"])
    assert (score.value, score.low, score.count) == (0, 0, 0)


@pytest.mark.parametrize("heads", [1, 24, 48, 64])
def test_an_interval_has_a_width_even_where_no_head_or_every_head_counts(heads: int) -> None:
    none, every = share_of_heads([False] * heads), share_of_heads([True] * heads)
    # Wilson's bound at the edge is z² / (n + z²).
    assert none.high == pytest.approx(1.959964**2 / (heads + 1.959964**2), abs=1e-6)
    assert (none.low, every.high) == (0, 1)
    assert every.low == pytest.approx(1 - none.high, abs=2e-6)


def test_shared_labels_count_each_head_that_bears_them() -> None:
    # Colour twice and animals three times: five of eight heads.
    labels = ["Colour", "colours.", "Animals", "animal", "ANIMALS", "weather", None, "art"]
    score = entanglement(labels)
    assert (score.value, score.count) == (5 / 8, 5)


def test_heads_without_a_label_share_with_none() -> None:
    assert entanglement([None, None, None]).count == 0


def test_association_needs_three_matching_descriptions() -> None:
    score = association(["colour", "colour", "animals", None], [3, 2, 10, 9])
    assert (score.value, score.count) == (0.5, 2)


def test_association_needs_as_many_counts_as_labels() -> None:
    with pytest.raises(ValueError, match="zip"):
        association(["colour"], [1, 2])


def test_no_head_has_no_score() -> None:
    with pytest.raises(ValueError, match="at least one head"):
        entanglement([])


def test_the_interval_is_that_of_a_binomial_share() -> None:
    # 24 of 48: the normal approximation gives 0.5 ± 1.96 · sqrt(0.25 / 48) = 0.5 ± 0.141.
    score = share_of_heads([True, False] * 24)
    assert score.low == pytest.approx(0.5 - 0.141, abs=0.02)
    assert score.high == pytest.approx(0.5 + 0.141, abs=0.02)
    # 8 of 10: Wilson's interval is (0.4902, 0.9433), as in any table of it.
    score = share_of_heads([True] * 8 + [False] * 2)
    assert (score.low, score.high) == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )


@given(st.lists(st.booleans(), min_size=1, max_size=64))
def test_the_interval_holds_the_value_and_is_the_same_each_time(counted: list[bool]) -> None:
    score = share_of_heads(counted)
    assert 0 <= score.low <= score.value <= score.high <= 1
    assert score == share_of_heads(counted)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=20))
def test_order_of_heads_does_not_matter(labels: list[str | None]) -> None:
    assert entanglement(labels).value == entanglement(labels[::-1]).value
