"""The labeller by majority: half of the rank weight, or no label and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipheads.labels.majority import label_head_by_majority, majority_record
from clipheads.labels.matching import matches
from clipheads.texts.pools import Description


def _picks(*properties: str | None) -> list[Description]:
    return [Description(f"text {index}", name) for index, name in enumerate(properties)]


def test_the_property_with_half_of_the_rank_weight_is_the_label() -> None:
    # Weights 1, 1/2, 1/3: colours have (1 + 1/3) of 11/6.
    label = label_head_by_majority(_picks("colours", "animals", "colours"))
    assert label.text == "colours"
    assert label.confidence == pytest.approx((4 / 3) / (11 / 6), abs=1e-6)
    assert "2 of 3 descriptions, with 73% of the rank weight" in label.reason


def test_earlier_picks_weigh_more() -> None:
    # 1 against 1/2 + 1/3: two later picks do not outweigh the first.
    assert label_head_by_majority(_picks("colours", "animals", "animals")).text == "colours"


def test_exactly_the_threshold_is_enough() -> None:
    # Weights 1, 1/2, 1/3, 1/4: animals have 1/2 + 1/3 + 1/4 of 25/12, that is 52 %.
    picks = _picks("colours", "animals", "animals", "animals")
    assert label_head_by_majority(picks).text == "animals"
    assert label_head_by_majority(picks, threshold=13 / 25).text == "animals"
    assert label_head_by_majority(picks, threshold=13 / 25 + 1e-6).text is None


def test_below_the_threshold_there_is_no_label_but_a_reason() -> None:
    label = label_head_by_majority(_picks("a", "b", "c", "d"))
    assert label.text is None
    assert label.confidence == pytest.approx(12 / 25)
    assert label.reason.startswith("No property has 50% of the weight: 1 of 4")


def test_properties_without_a_name_count_against_a_label() -> None:
    assert label_head_by_majority(_picks("colours", None, None, None)).text is None
    assert label_head_by_majority(_picks(None, "colours", "colours")).text is None


def test_a_pool_without_properties_gives_no_label() -> None:
    label = label_head_by_majority(_picks(None, None))
    assert (label.text, label.confidence) == (None, None)
    assert "carry no property" in label.reason


def test_a_head_without_descriptions_has_no_label() -> None:
    assert label_head_by_majority([]).text is None


def test_plurals_count_together_and_keep_the_first_spelling() -> None:
    label = label_head_by_majority(_picks("Colours", "animals", "colour"))
    assert label.text == "Colours"
    assert matches(label, Description("x", "colour"), {})
    assert not matches(label, Description("x", "animals"), {})
    assert matches(label, Description("x", "tint"), {"tint": "colours"})
    assert not matches(label, Description("x", None), {})
    assert not matches(label_head_by_majority([]), Description("x", "colour"), {})


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=10))
def test_a_label_is_always_a_property_of_a_pick_with_half_of_the_weight(
    properties: list[str | None],
) -> None:
    label = label_head_by_majority(_picks(*properties))
    weight = sum(1 / rank for rank, name in enumerate(properties, 1) if name == label.text)
    total = sum(1 / rank for rank in range(1, len(properties) + 1))
    if label.text is not None:
        assert weight / total >= 0.5 - 1e-9
    else:
        for name in {"a", "b", "c"}:
            own = sum(1 / rank for rank, other in enumerate(properties, 1) if other == name)
            assert own / total < 0.5


def test_the_method_says_its_settings() -> None:
    assert "50%" in majority_record().method
