"""The profile of heads whose causes are planted: effects are what they must be."""

import numpy as np
import pytest
import torch
from torch import Tensor

from clipheads.gallery.transforms import LUMA, all_transforms
from clipheads.maths.profile import measure_effects, measure_reading

IMAGES = 200
WORDS = ["dog", "pizza"]


def coloured_pictures(count: int = IMAGES) -> Tensor:
    """Pictures of one colour each, with a little texture and a bright square somewhere."""
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0.1, 0.9, (count, 3, 1, 1)) + rng.uniform(-0.1, 0.1, (count, 1, 32, 32))
    for picture in pictures:
        x, y = rng.integers(0, 24, 2)
        picture[:, y : y + 8, x : x + 8] = 1
    return torch.from_numpy(pictures).float().clamp(0, 1)


def planted_heads(pictures: Tensor) -> Tensor:
    """Heads [N, 5, 3] that see brightness, colour, where the light is, nothing, and the sum."""
    luma = torch.einsum("c,nchw->nhw", torch.tensor(LUMA), pictures)
    mean = luma.mean((1, 2))
    chroma = pictures.mean((2, 3)) - mean[:, None]
    light = (luma > 0.99).float()
    columns, rows = light.sum(1) @ torch.arange(32.0), light.sum(2) @ torch.arange(32.0)
    where = torch.stack([columns, rows], 1) / light.sum((1, 2))[:, None].clamp(min=1)
    nothing = torch.ones(len(pictures), 3)
    return torch.stack(
        [
            torch.nn.functional.pad(mean[:, None], (0, 2)),
            chroma,
            torch.nn.functional.pad(where, (0, 1)),
            nothing,
            pictures.mean((2, 3)),
        ],
        dim=1,
    )


@pytest.fixture(scope="module")
def effects() -> dict[str, tuple[Tensor, Tensor]]:
    """The effect [5] of each transform, and where heads stand out."""
    pictures = coloured_pictures()
    transforms = all_transforms(WORDS)
    after = torch.stack(
        [
            planted_heads(torch.stack([transform.apply(p, i) for i, p in enumerate(pictures)]))
            for transform in transforms
        ]
    )
    measured = measure_effects(planted_heads(pictures), after)
    return {
        transform.name: (measured.effect.value[:, index], measured.stands_out[:, index])
        for index, transform in enumerate(transforms)
    }


def test_a_model_that_sees_only_brightness_shows_no_hue_effect(
    effects: dict[str, tuple[Tensor, Tensor]],
) -> None:
    for name in ("grey", "hue", "mirror", "upside-down", "shuffle", "shift"):
        assert float(effects[name][0][0]) == pytest.approx(0, abs=1e-6)
    assert float(effects["dim"][0][0]) > 0.5


def test_a_head_of_colour_is_moved_by_hue_and_grey_and_stands_out(
    effects: dict[str, tuple[Tensor, Tensor]],
) -> None:
    for name in ("grey", "hue"):
        assert float(effects[name][0][1]) > 0.4
        assert effects[name][1][:4].tolist() == [False, True, False, False]
    # All that a head of colour says is gone: half the distance to another picture.
    assert float(effects["grey"][0][1]) == pytest.approx(0.5, abs=0.02)


def test_a_head_of_layout_is_moved_by_layout_alone(
    effects: dict[str, tuple[Tensor, Tensor]],
) -> None:
    for name in ("shuffle", "shift", "mirror", "upside-down"):
        assert effects[name][1].tolist() == [False, False, True, False, False]
    assert float(effects["grey"][0][2]) == pytest.approx(0, abs=1e-6)


def test_nothing_moves_a_constant_head(effects: dict[str, tuple[Tensor, Tensor]]) -> None:
    assert all(float(effect[3]) == 0 for effect, _ in effects.values())


def test_another_picture_in_its_place_has_the_effect_one() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(2000, 2, 4, generator=generator)
    order = torch.randperm(2000, generator=generator)
    measured = measure_effects(before, before[order][None]).effect
    torch.testing.assert_close(measured.value, torch.ones(2, 1).double(), atol=0.05, rtol=0)
    assert bool((measured.low < 1).all())
    assert bool((measured.high > 1).all())


def test_a_half_of_the_variance_redrawn_has_the_effect_one_half() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(20_000, 1, 2, generator=generator)
    after = before.clone()
    after[:, 0, 1] = torch.randn(20_000, generator=generator)
    measured = measure_effects(before, after[None]).effect
    assert float(measured.value) == pytest.approx(0.5, abs=0.03)


def test_intervals_hold_the_truth_in_about_95_of_100_samples() -> None:
    held = 0
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        before = torch.randn(100, 1, 3, generator=generator)
        after = before + 0.5 * torch.randn(100, 1, 3, generator=generator)
        measured = measure_effects(before, after[None]).effect
        held += bool(measured.low <= 0.125 <= measured.high)
    assert 180 <= held <= 200


def test_rotating_the_basis_changes_no_effect() -> None:
    generator = torch.Generator().manual_seed(0)
    before, after = torch.randn(2, 50, 3, 4, generator=generator)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator)).Q
    measured = measure_effects(before, after[None]).effect
    turned = measure_effects(before @ turn, (after @ turn)[None]).effect
    torch.testing.assert_close(measured.value, turned.value, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(measured.low, turned.low, atol=1e-5, rtol=1e-5)


def test_heads_of_equal_effect_do_not_stand_out_however_large_it_is() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(300, 6, 4, generator=generator)
    after = before + 5 * torch.randn(300, 6, 4, generator=generator)
    measured = measure_effects(before, after[None])
    assert float(measured.effect.value.min()) > 10
    assert not measured.stands_out.any()


def test_a_head_that_reads_moves_towards_the_word_and_others_do_not() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(120, 3, 8, generator=generator)
    texts = torch.linalg.qr(torch.randn(8, 8, generator=generator)).Q[:4]
    texts = texts[:, None].expand(-1, 3, -1)
    words = [index % 4 for index in range(120)]
    after = before.clone()
    after[:, 0] += 2 * texts[words, 0]  # reads
    after[:, 1] += 2 * texts.sum(0)[1]  # sees that there is a word, whichever it is
    reading = measure_reading(before, after, texts, words)
    assert reading.towards.tolist() == pytest.approx([2, 2, 0], abs=1e-5)
    assert reading.deviations[:2].tolist() == pytest.approx([2, 2], rel=0.2)
    assert float(reading.beyond.low[0]) > 1.5
    assert float(reading.beyond.value[1]) == pytest.approx(0, abs=0.25)
    assert float(reading.beyond.value[2]) == pytest.approx(0, abs=1e-6)


def test_a_single_picture_has_no_effect_to_measure() -> None:
    measured = measure_effects(torch.ones(1, 2, 3), torch.zeros(1, 1, 2, 3))
    assert measured.effect.value.tolist() == [[0.0], [0.0]]
