"""Direct and total effects of embeddings whose changes are known."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.maths.patching import Ablated
from clipheads.maths.total_effect import measure_effects


def unit(*shape: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=random, dtype=torch.float64), dim=-1)


def changed(whole: Tensor, direct: Tensor, total: Tensor) -> Ablated:
    return Ablated(whole, direct, direct, total)


def test_an_effect_is_the_mean_of_one_minus_cosine() -> None:
    whole, direct, total = unit(6, 8), unit(6, 3, 8, seed=1), unit(6, 3, 8, seed=2)
    effects = measure_effects(changed(whole, direct, total))
    for effect, after in ((effects.direct, direct), (effects.total, total)):
        cosines = (after * whole[:, None]).sum(-1)
        torch.testing.assert_close(effect.value, (1 - cosines).mean(0))
        assert (effect.low <= effect.value).all()
        assert (effect.value <= effect.high).all()
    torch.testing.assert_close(effects.ratio.value, effects.total.value / effects.direct.value)


def test_nothing_changes_later_so_all_is_kept() -> None:
    whole, direct = unit(5, 8), unit(5, 2, 8, seed=1)
    effects = measure_effects(changed(whole, direct, direct))
    ones = torch.ones(2, dtype=torch.float64)
    for index in (effects.ratio, effects.kept):
        torch.testing.assert_close(index.value, ones)
        torch.testing.assert_close(index.low, ones)
        torch.testing.assert_close(index.high, ones)


@settings(deadline=None)
@given(st.floats(-2, 2))
def test_what_later_blocks_keep_of_a_small_change_is_its_factor(factor: float) -> None:
    """Compensated at 0, left as it is at 1, amplified above, turned round below 0."""
    whole = torch.eye(4, dtype=torch.float64)[:1].expand(3, 4)
    step = 1e-4 * torch.eye(4, dtype=torch.float64)[1]
    direct, total = normalize(whole + step, dim=-1), normalize(whole + factor * step, dim=-1)
    effects = measure_effects(changed(whole, direct[:, None], total[:, None]))
    assert abs(float(effects.kept.value) - factor) < 1e-6
    assert abs(float(effects.ratio.value) - factor**2) < 1e-6


def test_a_head_that_does_nothing_has_neither_ratio_nor_direction() -> None:
    whole = unit(4, 8)
    same = whole[:, None].clone()
    effects = measure_effects(changed(whole, same, same))
    assert effects.direct.value.item() == effects.total.value.item() == 0
    assert effects.ratio.value.isnan().all()
    assert effects.kept.value.isnan().all()
    assert effects.norm_error == 0
