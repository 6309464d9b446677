"""The noise level of heat maps: planted maps lie above it as often as they should."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from clipheads.maths.heat_maps import topic_map
from clipheads.maths.map_noise import noise_level, random_map


@given(st.integers(1, 4), st.integers(2, 6), st.sampled_from([0.5, 0.9, 0.95]))
def test_so_many_values_of_random_maps_lie_below_the_level(
    heads: int, maps: int, quantile: float
) -> None:
    values = torch.randn(maps, heads, 40, generator=torch.Generator().manual_seed(heads))
    level = noise_level(values, quantile)
    below = (values.abs() < level[:, None]).double().mean(dim=(0, 2))

    assert level.shape == (heads,)
    assert torch.allclose(below, torch.full((heads,), quantile).double(), atol=1 / (maps * 40))


def test_a_planted_object_stands_above_the_noise_of_its_head_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    noise = 0.01 * torch.randn(64, 2, 49, generator=draw)
    noise[:, 1] *= 10
    level = noise_level(noise, 0.95)
    planted = 0.01 * torch.randn(49, generator=draw)
    planted[:5] += 0.1

    assert (planted[:5].abs() > level[0]).all()
    assert (planted[5:].abs() > level[0]).double().mean() < 0.12
    assert not (planted.abs() > level[1]).any()


def test_a_random_map_is_the_topic_map_of_its_text_in_each_head() -> None:
    draw = torch.Generator().manual_seed(3)
    tokens, queries = torch.randn(2, 10, 4, generator=draw), torch.randn(2, 4, generator=draw)

    drawn = topic_map(tokens, queries, (3, 3)).flatten(1) / 10
    assert torch.allclose(random_map(tokens, queries), drawn, atol=1e-6)
