"""A transform changes one thing about a picture and keeps the rest."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipheads.gallery.transforms import (
    LUMA,
    NamedTransform,
    all_transforms,
    blur,
    dim,
    edges,
    grey,
    invert,
    mirror,
    print_word,
    rotate_hue,
    shift,
    shuffle_patches,
    upside_down,
    white_card,
    zoom,
)

WORDS = ["dog", "pizza", "house"]
SEEDS = st.integers(0, 10_000)


def picture(seed: int = 0, side: int = 64) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((3, side, side), np.float32))


def brightness(colours: Tensor) -> Tensor:
    return torch.einsum("c,chw->hw", torch.tensor(LUMA), colours)


def grey_picture(seed: int = 0) -> Tensor:
    return picture(seed)[:1].expand(3, -1, -1).clone()


@pytest.mark.parametrize("transform", all_transforms(WORDS), ids=lambda transform: transform.name)
@pytest.mark.parametrize("side", [64, 98, 224])
def test_a_transform_is_pure_and_gives_a_picture_of_the_same_kind(
    transform: NamedTransform, side: int
) -> None:
    given_picture = picture(3, side)
    kept = given_picture.clone()
    result = transform.apply(given_picture, 5)
    assert torch.equal(given_picture, kept)
    assert torch.equal(transform.apply(given_picture, 5), result)
    assert result.shape == given_picture.shape
    assert result.dtype == given_picture.dtype
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert not torch.allclose(result, given_picture, atol=0.01)


def test_names_are_unique_and_groups_stand_together() -> None:
    transforms = all_transforms(WORDS)
    assert len({transform.name for transform in transforms}) == len(transforms)
    groups = [group for group, _ in itertools.groupby(transform.group for transform in transforms)]
    assert len(groups) == len(set(groups))


@pytest.mark.parametrize("transform", [mirror, upside_down, invert])
def test_done_twice_is_nothing(transform: object) -> None:
    assert callable(transform)
    torch.testing.assert_close(transform(transform(picture(), 0), 1), picture())


def test_removing_colour_keeps_brightness_and_does_nothing_to_grey() -> None:
    result = grey(picture(), 0)
    assert torch.equal(result[0], result[1])
    assert torch.equal(result[0], result[2])
    torch.testing.assert_close(brightness(result), brightness(picture()))
    torch.testing.assert_close(grey(result, 0), result)
    torch.testing.assert_close(grey(grey_picture(), 0), grey_picture())


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_rotating_the_hue_keeps_brightness_and_does_nothing_to_grey(seed: int) -> None:
    result = rotate_hue(picture(), seed)
    torch.testing.assert_close(brightness(result), brightness(picture()), atol=1e-5, rtol=0)
    torch.testing.assert_close(rotate_hue(grey_picture(), seed), grey_picture(), atol=1e-6, rtol=0)
    torch.testing.assert_close(grey(result, 0), grey(picture(), 0), atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_a_rotated_hue_is_another_hue_for_every_colour(seed: int) -> None:
    colours = picture().flatten(1)
    chroma = (colours - brightness(picture()).flatten())[[0, 2]]
    turned = rotate_hue(picture(), seed).flatten(1)
    rotated = (turned - brightness(picture()).flatten())[[0, 2]]
    cosine = torch.cosine_similarity(chroma, rotated, dim=0)
    strong = chroma.norm(dim=0) > 0.2
    assert float(cosine[strong].max()) < 1e-3  # at least a quarter of a turn
    assert float(cosine[strong].std()) < 1e-2  # and the same for all


def test_what_has_no_detail_is_not_blurred_and_has_no_edges() -> None:
    even = torch.tensor([0.2, 0.5, 0.9]).view(3, 1, 1).expand(-1, 64, 64)
    torch.testing.assert_close(blur(even, 0), even)
    assert torch.equal(edges(even, 0), torch.ones(3, 64, 64))


def test_blurring_keeps_the_mean_of_what_lies_inside_and_removes_detail() -> None:
    inside = torch.zeros(3, 64, 64)
    inside[:, 30:34, 30:34] = 1
    torch.testing.assert_close(blur(inside, 0).sum(), inside.sum())
    assert blur(picture(), 0).std() < picture().std() / 4


def test_edges_follow_brightness_alone() -> None:
    halves = torch.full((3, 64, 64), 0.1)
    halves[:, :, 32:] = 0.6
    drawn = edges(halves, 0)[0]
    assert drawn[:, 31:33].max() == 0
    assert drawn[:, :31].min() == drawn[:, 33:].min() == 1
    torch.testing.assert_close(
        edges(rotate_hue(picture(), 1), 0), edges(picture(), 0), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(edges(invert(picture(), 0), 0), edges(picture(), 0))


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.sampled_from([64, 66, 98]))
def test_shuffling_keeps_the_patches_and_what_does_not_fit_into_them(seed: int, side: int) -> None:
    shuffled, cell = shuffle_patches(picture(0, side), seed), side // 4

    def patches(of: Tensor) -> list[bytes]:
        corners = itertools.product(range(0, 4 * cell, cell), repeat=2)
        return sorted(of[:, y : y + cell, x : x + cell].numpy().tobytes() for y, x in corners)

    assert patches(shuffled) == patches(picture(0, side))
    assert torch.equal(shuffled[:, 4 * cell :], picture(0, side)[:, 4 * cell :])
    assert torch.equal(shuffled[:, :, 4 * cell :], picture(0, side)[:, :, 4 * cell :])


def test_another_seed_shuffles_and_shifts_otherwise() -> None:
    orders = {shuffle_patches(picture(), seed).numpy().tobytes() for seed in range(20)}
    ways = {shift(picture(), seed).numpy().tobytes() for seed in range(20)}
    assert len(orders) == 20
    assert len(ways) == 4


def test_shifting_four_times_the_same_way_is_nothing() -> None:
    result = picture()
    for _ in range(4):
        result = shift(result, 7)
    assert torch.equal(result, picture())
    assert not torch.equal(shift(picture(), 7), picture())


def test_zooming_enlarges_the_middle_and_forgets_the_rest() -> None:
    framed = torch.zeros(3, 96, 96)
    framed[:, 16:80, 16:80] = picture(0)
    rimless = zoom(framed, 0)
    framed[:, :16] = 1
    torch.testing.assert_close(zoom(framed, 0), rimless)
    half = torch.zeros(3, 96, 96)
    half[:, :, 48:] = 1
    torch.testing.assert_close(zoom(half, 0).mean(), torch.tensor(0.5))


def test_dimming_halves_every_value() -> None:
    torch.testing.assert_close(dim(picture(), 0) * 2, picture())


@pytest.mark.parametrize("word", ["i", "dog", "a very long word indeed"])
@pytest.mark.parametrize("side", [64, 224])
def test_a_word_is_printed_on_the_card_and_nowhere_else(word: str, side: int) -> None:
    card, printed = white_card(picture(0, side), 0), print_word(word)(picture(0, side), 0)
    hidden = (card != picture(0, side)).any(dim=0)
    ink = (printed != card).any(dim=0)
    assert ink.any()
    assert not (ink & ~hidden).any()
    rows, columns = (hidden.any(dim=axis).nonzero().flatten() for axis in (1, 0))
    assert 0.15 * side < len(rows) < 0.3 * side
    assert len(columns) == side
    # The word is whole: no ink touches the rim of the card.
    inked_rows, inked_columns = (ink.any(dim=axis).nonzero().flatten() for axis in (1, 0))
    assert rows[0] < inked_rows[0]
    assert inked_rows[-1] < rows[-1]
    assert inked_columns[0] > 0
    assert inked_columns[-1] < side - 1


def test_words_take_turns() -> None:
    (word,) = (transform for transform in all_transforms(WORDS) if transform.name == "word")
    for seed in range(6):
        expected = print_word(WORDS[seed % 3])(picture(), seed)
        assert torch.equal(word.apply(picture(), seed), expected)
