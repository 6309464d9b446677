"""Labels against the truth: what agrees, what chance would give, what images alone would say."""

import itertools

import pytest

from clipheads.truth.agreement import agreement, agreement_by_chance, property_of_images

TRUTH = {"L0.H0": "colour", "L0.H1": "colour", "L0.H2": "style", "L0.H3": "count"}


def test_only_labelled_heads_count() -> None:
    labels = {"L0.H0": "colour", "L0.H1": "style", "L0.H2": None, "L0.H3": "count"}

    assert agreement(labels, TRUTH) == (2, 3)
    assert agreement(dict.fromkeys(TRUTH), TRUTH) == (0, 0)


def test_chance_is_the_mean_over_all_ways_to_deal_the_same_labels() -> None:
    labels = {"L0.H0": "colour", "L0.H1": "style", "L0.H2": None, "L0.H3": "colour"}
    labelled = [head for head, label in labels.items() if label]
    dealt = [
        agreement(dict(zip(labelled, order, strict=True)), TRUTH)[0] / len(labelled)
        for order in itertools.permutations(labels[head] for head in labelled)
    ]

    assert agreement_by_chance(labels, TRUTH) == pytest.approx(sum(dealt) / len(dealt))


def test_without_labels_there_is_no_chance() -> None:
    with pytest.raises(ValueError, match="no label"):
        agreement_by_chance({"L0.H0": None}, TRUTH)


def test_images_that_share_a_rare_value_are_named_by_it() -> None:
    attributes = {
        "colour": ["red"] * 2 + ["blue"] * 98,
        "style": ["plain"] * 90 + ["sepia"] * 10,
    }

    # All eight are plain, which is nothing remarkable; but both red ones are among them.
    assert property_of_images(range(8), attributes) == "colour"
    # Eight of the ten sepia pictures.
    assert property_of_images(range(92, 100), attributes) == "style"
