"""Sobol's indices by paired interventions: exact on functions whose indices are known."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from clipheads.maths.sensitivity import Sensitivity, change_effect, sensitivity

VALUES = (-1.0, 0.0, 2.0)
"""Of each of two factors u and v, all equally likely."""


def every_pair() -> tuple[Tensor, Tensor]:
    """All pairs (A, B) of points (u, v): expectations over them are exact, [81, 2] each."""
    points = list(product(VALUES, VALUES))
    pairs = [(a, b) for a in points for b in points]
    return torch.tensor([a for a, _ in pairs]), torch.tensor([b for _, b in pairs])


def indices(function) -> dict[str, Sensitivity]:  # type: ignore[no-untyped-def]
    """The indices of u and v for a function from points [n, 2] to vectors [n, r]."""
    a, b = every_pair()
    mixed = {
        "u": torch.stack([b[:, 0], a[:, 1]], dim=1),
        "v": torch.stack([a[:, 0], b[:, 1]], dim=1),
    }
    return sensitivity(
        function(a)[:, None],
        function(b)[:, None],
        {k: function(x)[:, None] for k, x in mixed.items()},
    )


def variance(values: Tensor) -> float:
    return float(values.var(correction=0))


def test_an_additive_function_has_its_variance_shares_and_no_interaction() -> None:
    found = indices(lambda x: torch.stack([3 * x[:, 0] + x[:, 1], x[:, 1]], dim=1))

    of_u = 9 * variance(torch.tensor(VALUES))
    of_v = 2 * variance(torch.tensor(VALUES))
    for factor, own in (("u", of_u), ("v", of_v)):
        share = own / (of_u + of_v)
        assert float(found[factor].total.value) == pytest.approx(share)
        assert float(found[factor].first_order.value) == pytest.approx(share)


def test_a_pure_interaction_has_first_order_zero_and_total_one() -> None:
    centred = torch.tensor(VALUES).mean()
    found = indices(lambda x: ((x[:, 0] - centred) * (x[:, 1] - centred))[:, None])

    for factor in ("u", "v"):
        assert float(found[factor].first_order.value) == pytest.approx(0, abs=1e-6)
        assert float(found[factor].total.value) == pytest.approx(1)


def test_a_constant_is_moved_by_nothing() -> None:
    found = indices(lambda x: torch.ones(len(x), 3))

    for factor in ("u", "v"):
        for index in (found[factor].total, found[factor].first_order):
            assert float(index.value) == float(index.low) == float(index.high) == 0


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
def test_indices_do_not_depend_on_the_basis_the_origin_or_the_unit(seed: int, scale: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    a, b, mixed = torch.randn(3, 20, 2, 4, generator=rng, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=rng, dtype=torch.float64)).Q
    shift = torch.randn(4, generator=rng, dtype=torch.float64)

    before = sensitivity(a, b, {"x": mixed})["x"]
    after = sensitivity(
        *(scale * x @ rotation + shift for x in (a, b)), {"x": scale * mixed @ rotation + shift}
    )["x"]

    assert torch.allclose(before.total.value, after.total.value)
    assert torch.allclose(before.first_order.low, after.first_order.low)


def test_replacing_everything_is_one_and_replacing_nothing_is_zero() -> None:
    a, b = torch.randn(2, 30, 5, 3, generator=torch.Generator().manual_seed(0))
    found = sensitivity(a, b, {"everything": b, "nothing": a})

    assert torch.allclose(found["everything"].total.value, torch.ones(5).double())
    assert torch.allclose(found["everything"].first_order.value, torch.ones(5).double())
    assert torch.equal(found["nothing"].total.value, torch.zeros(5).double())
    assert torch.allclose(found["nothing"].first_order.value, torch.zeros(5).double())


def test_the_interval_holds_the_value_and_narrows_with_the_pairs() -> None:
    rng = torch.Generator().manual_seed(1)

    def width(pairs: int) -> float:
        a, b = torch.randn(2, pairs, 1, 3, generator=rng)
        mixed = torch.cat([b[..., :1], a[..., 1:]], dim=2)
        total = sensitivity(a, b, {"x": mixed})["x"].total
        assert float(total.low) <= float(total.value) <= float(total.high)
        return float(total.high - total.low)

    assert width(1600) < 0.5 * width(100)


def test_another_value_that_moves_as_far_as_another_image_has_effect_one() -> None:
    rng = torch.Generator().manual_seed(2)
    before, after = torch.randn(2, 4000, 1, 6, generator=rng)

    assert float(change_effect(before, after, torch.tensor([6.0])).value) == pytest.approx(
        1, abs=0.05
    )
    assert float(change_effect(before, before, torch.tensor([6.0])).value) == 0
