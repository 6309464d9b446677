"""The default labeller on planted heads says what is in them, as narrowly as is true, or nothing.

The planted pool has 40 dimensions. Texts of animals, vehicles, colours and patterns lie along their
own directions, so that what a head varies with is known.
"""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from clipheads.bundle.labels import Label
from clipheads.labels.explained import label_head_by_explained
from clipheads.labels.property_pool import PropertyPool
from clipheads.maths.text_span import textspan

D = 40
PARENTS = {"bird": "animal", "fish": "animal", "animal": "object", "vehicle": "object",
           "colour": "background", "pattern": "background"}  # fmt: skip
COUNTS = {"bird": 8, "fish": 8, "vehicle": 8, "colour": 5, "pattern": 5, "size": 2}


def planted() -> tuple[Tensor, PropertyPool, dict[str, list[int]]]:
    """Texts [36, D], nearly orthogonal, each with a little of what all texts share."""
    names = [name for name, count in COUNTS.items() for _ in range(count)]
    rng = torch.Generator().manual_seed(0)
    texts = torch.eye(D)[: len(names)] + 0.05 * torch.randn(len(names), D, generator=rng) + 0.1
    rows = {name: [i for i, one in enumerate(names) if one == name] for name in COUNTS}
    return torch.nn.functional.normalize(texts, dim=1), PropertyPool(names, PARENTS), rows


def head(weights: dict[str, float], noise: float = 0.01) -> Label:
    """Label a head that varies along the texts of some properties, each with its variance."""
    texts, pool, rows = planted()
    covariance = noise * torch.eye(D)
    for name, weight in weights.items():
        for row in rows[name]:
            covariance += weight / len(rows[name]) * torch.outer(texts[row], texts[row])
    return label_head_by_explained(textspan(covariance, texts, 10), covariance, texts, pool)


@pytest.mark.parametrize(
    ("weights", "label"),
    [
        ({"colour": 1.0}, "colour"),
        ({"pattern": 1.0}, "pattern"),
        ({"bird": 1.0}, "bird"),
        ({"size": 1.0}, "size"),
    ],
)
def test_a_head_of_one_property_bears_its_name(weights: dict[str, float], label: str) -> None:
    found = head(weights)

    assert found.text == label
    assert found.confidence is not None
    assert found.confidence > 0.8
    assert found.noise is not None
    assert found.noise.clear
    assert found.noise.explained > 1.5 * found.noise.floor


@pytest.mark.parametrize(
    ("weights", "label"),
    [
        ({"bird": 1.0, "fish": 1.0}, "animal"),
        ({"bird": 1.0, "fish": 1.0, "vehicle": 1.6}, "object"),
        ({"colour": 1.0, "pattern": 1.0}, "background"),
    ],
)
def test_a_head_of_several_bears_the_name_of_what_they_are_part_of(
    weights: dict[str, float], label: str
) -> None:
    assert head(weights).text == label


def test_a_head_that_is_half_one_thing_and_half_another_bears_no_name_and_says_which() -> None:
    found = head({"colour": 1.0, "size": 0.8})

    assert found.text is None
    assert "clearly more than every other" in found.reason
    assert "“background”" in found.reason
    assert "“size”" in found.reason
    assert found.runner_up_confidence == pytest.approx(0.5, abs=0.05)


def test_a_head_of_noise_bears_no_name() -> None:
    for seed in range(20):
        texts, pool, _ = planted()
        rng = torch.Generator().manual_seed(seed)
        factor = torch.randn(D, D, generator=rng)
        covariance = factor @ factor.T
        found = label_head_by_explained(textspan(covariance, texts, 10), covariance, texts, pool)
        assert found.text is None, found


def test_a_head_that_hardly_varies_says_so() -> None:
    texts, pool, _ = planted()
    found = label_head_by_explained([], torch.zeros(D, D), texts, pool)

    assert (found.text, found.confidence) == (None, None)
    assert "does not vary" in found.reason


def test_the_runner_up_is_neither_above_nor_below_the_label() -> None:
    found = head({"bird": 2.0, "vehicle": 0.8})

    assert found.text == "bird"
    assert found.runner_up == "vehicle"
    assert found.runner_up_confidence is not None
    assert found.confidence is not None
    assert found.confidence + found.runner_up_confidence <= 1


def test_a_property_with_many_texts_does_not_win_by_their_number() -> None:
    """Noise has most of its descriptions from the largest property, and still is nothing."""
    rng = torch.Generator().manual_seed(0)
    texts = torch.nn.functional.normalize(torch.randn(300, D, generator=rng), dim=1)
    pool = PropertyPool(["thing"] * 290 + ["colour"] * 10, {})
    factor = torch.randn(D, 3, generator=rng)
    covariance = factor @ factor.T
    picks = textspan(covariance, texts, 10)

    assert sum(pick.index < 290 for pick in picks) >= 8
    assert label_head_by_explained(picks, covariance, texts, pool).text is None


def test_descriptions_without_a_property_give_no_label() -> None:
    texts, _, rows = planted()
    covariance = sum((torch.outer(texts[r], texts[r]) for r in rows["bird"]), torch.zeros(D, D))
    unnamed: Sequence[None] = [None] * len(texts)
    found = label_head_by_explained(
        textspan(covariance, texts, 10), covariance, texts, PropertyPool(unnamed, {})
    )

    assert found.text is None
    assert "carry no property" in found.reason
