"""Entanglement and association on cases that a reader can count by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipheads.scores import association, entanglement, share_of_heads


def test_all_different_is_disentangled() -> None:
    score = entanglement(["colour", "animals", "weather"])
    assert (score.value, score.low, score.high, score.count) == (0, 0, 0, 0)


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


@given(st.lists(st.booleans(), min_size=1, max_size=64))
def test_the_interval_holds_the_value_and_is_the_same_each_time(counted: list[bool]) -> None:
    score = share_of_heads(counted)
    assert 0 <= score.low <= score.value <= score.high <= 1
    assert score == share_of_heads(counted)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=20))
def test_order_of_heads_does_not_matter(labels: list[str | None]) -> None:
    assert entanglement(labels).value == entanglement(labels[::-1]).value
