"""Entanglement, association and concept consistency on cases that a reader can count by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipheads.maths.scores import (
    association,
    concept_consistency,
    entanglement,
    heads_by_consistency,
    share_of_heads,
)


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


def test_concept_consistency_counts_the_matches_among_the_first_five_descriptions() -> None:
    assert concept_consistency("colour", [True] * 10) == 5
    assert concept_consistency("colour", [False] * 5 + [True] * 5) == 0
    assert concept_consistency("colour", [True, False, True]) == 2
    assert concept_consistency("colour", []) == 0


def test_a_head_without_a_label_has_no_concept_to_be_consistent_with() -> None:
    assert concept_consistency(None, [True] * 5) == 0


def test_ccs_at_k_is_the_share_of_heads_with_just_that_score() -> None:
    shares = heads_by_consistency([5, 5, 3, 0, 1, 5, 3, 5])
    assert [share.count for share in shares] == [1, 1, 0, 2, 0, 4]
    assert [share.value for share in shares] == [1 / 8, 1 / 8, 0, 2 / 8, 0, 4 / 8]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=64))
def test_every_head_has_one_concept_consistency_score(scores: list[int]) -> None:
    shares = heads_by_consistency(scores)
    assert sum(share.count for share in shares) == len(scores)
    assert sum(share.value for share in shares) == pytest.approx(1, abs=6e-6)
    assert sum(k * share.count for k, share in enumerate(shares)) == sum(scores)


@pytest.mark.parametrize("beyond", [-1, 6])
def test_a_concept_consistency_score_beyond_the_descriptions_is_refused(beyond: int) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 5, not at {beyond}"):
        heads_by_consistency([2, beyond])


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
