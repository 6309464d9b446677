"""Transforms that move the heads of a property more than others find that property."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from clipheads.truth.profile_agreement import (
    area_under_curve,
    profile_agreement,
    rank_correlations,
)
from headatlas.render import environment

HEADS = [f"L{layer}.H{head}" for layer in range(4) for head in range(5)]


def test_a_transform_that_moves_just_the_heads_of_a_property_finds_them() -> None:
    truth = {head: "layout" if head.endswith("H0") else "colour" for head in HEADS}
    effects = {
        head: {"shift": float(truth[head] == "layout"), "blur": 0.3, "grey": float(index)}
        for index, head in enumerate(HEADS)
    }
    colour, layout = profile_agreement(effects, truth)

    assert (colour.property, colour.heads) == ("colour", 16)
    assert (layout.property, layout.heads) == ("layout", 4)
    assert layout.auc["shift"] == 1
    assert colour.auc["shift"] == 0
    assert layout.auc["blur"] == colour.auc["blur"] == 0.5
    assert layout.auc["grey"] + colour.auc["grey"] == pytest.approx(1)
    assert 0.5 < layout.chance < 1


def test_random_effects_exceed_chance_in_about_one_of_forty_groups() -> None:
    rng = np.random.default_rng(0)
    above = 0
    for _ in range(2000):
        effects = {head: {"any": float(rng.random())} for head in HEADS}
        truth = {head: "some" if index < 6 else None for index, head in enumerate(HEADS)}
        (row,) = profile_agreement(effects, truth)
        above += row.auc["any"] > row.chance
    assert 20 <= above <= 80


def test_heads_of_mixed_causes_are_no_group_but_are_among_the_others() -> None:
    effects = {head: {"any": float(index)} for index, head in enumerate(HEADS)}
    truth = {head: "last" if index == 19 else None for index, head in enumerate(HEADS)}
    (row,) = profile_agreement(effects, truth)
    assert (row.property, row.heads, row.auc) == ("last", 1, {"any": 1.0})


def test_a_property_of_all_heads_has_nothing_to_be_set_against() -> None:
    effects = {head: {"any": 0.0} for head in HEADS}
    assert profile_agreement(effects, dict.fromkeys(HEADS, "same")) == []


def test_the_area_does_not_depend_on_the_scale_of_the_values() -> None:
    rng = np.random.default_rng(0)
    members, others = rng.random(5).tolist(), rng.random(9).tolist()
    area = area_under_curve(members, others)
    assert area == area_under_curve(np.exp(members).tolist(), np.exp(others).tolist())
    assert area == pytest.approx(1 - area_under_curve(others, members))


def test_the_table_marks_what_exceeds_chance() -> None:
    truth = {head: "layout" if head.endswith("H0") else None for head in HEADS}
    effects = {head: {"shift": float(head.endswith("H0")), "blur": 0.3} for head in HEADS}
    facts = {
        "transforms": [
            {"name": "shift", "title": "shifting"},
            {"name": "blur", "title": "blurring"},
        ]
    }
    module = environment().get_template("profile.html").make_module()
    html = module.agreement(profile_agreement(effects, truth), facts, "demo-clip")  # type: ignore[attr-defined]
    assert "<b>100%</b>" in html
    assert '<td class="number g0">50%</td>' in html


def test_correlations_are_of_the_order_of_heads_alone() -> None:
    effects = {
        head: {"same": float(index) ** 3, "reverse": -float(index), "even": 1.0}
        for index, head in enumerate(HEADS)
    }
    indices = {head: {"layout": float(index)} for index, head in enumerate(HEADS)}
    (row,) = rank_correlations(effects, indices)
    assert (row.factor, row.correlations) == ("layout", {"same": 1, "reverse": -1, "even": 0})
    assert 0.4 < row.chance < 0.5


def test_equal_values_share_their_rank_in_a_correlation() -> None:
    rng = np.random.default_rng(0)
    effects = {head: {"any": float(rng.integers(4))} for head in HEADS}
    indices = {head: {"some": float(rng.integers(3))} for head in HEADS}
    (row,) = rank_correlations(effects, indices)
    expected = spearmanr(
        [of["any"] for of in effects.values()], [of["some"] for of in indices.values()]
    ).statistic
    assert row.correlations["any"] == pytest.approx(expected, abs=1e-4)


def test_unrelated_orders_are_beyond_chance_in_about_one_of_twenty() -> None:
    rng = np.random.default_rng(0)
    effects = {head: {str(n): float(rng.random()) for n in range(1000)} for head in HEADS}
    indices = {head: {"some": float(rng.random())} for head in HEADS}
    (row,) = rank_correlations(effects, indices)
    beyond = sum(abs(value) > row.chance for value in row.correlations.values())
    assert 20 <= beyond <= 80


def test_the_table_of_correlations_marks_what_is_beyond_chance() -> None:
    effects = {head: {"shift": float(index), "blur": 0.3} for index, head in enumerate(HEADS)}
    indices = {head: {"layout": float(index)} for index, head in enumerate(HEADS)}
    facts = {"transforms": [{"name": name, "title": name} for name in ("shift", "blur")]}
    module = environment().get_template("profile.html").make_module()
    html = module.correlations(rank_correlations(effects, indices), facts, "demo-clip")  # type: ignore[attr-defined]
    assert "<b>1.00</b>" in html
    assert '<td class="number g0">0.00</td>' in html
