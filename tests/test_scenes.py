"""Scenes are pure functions of their seed, and what they say of themselves is what they show."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipheads.demo_world.scenes import (
    COLOURS,
    PATTERNS,
    POSITIONS,
    STYLES,
    Scene,
    draw_scene,
    sample_scene,
)

SEEDS = st.integers(0, 10_000_000)


def plain_scene(**changes: object) -> Scene:
    """A single centred object on plain red, but for the changes."""
    seed = next(
        seed for seed in range(1000) if sample_scene(seed).position == "in the centre"
    )  # fmt: skip
    facts = {"colour": "red", "pattern": "plain", "style": "plain"} | changes
    return replace(sample_scene(seed), **facts)  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_same_seed_gives_the_same_scene_pixels_and_mask(seed: int) -> None:
    first, second = sample_scene(seed), sample_scene(seed)

    assert first == second
    for a, b in zip(draw_scene(first, 64), draw_scene(second, 64), strict=True):
        assert np.array_equal(a, b)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_larger_drawing_shows_the_same_scene(seed: int) -> None:
    scene = sample_scene(seed)
    _, small = draw_scene(scene, 64)
    _, large = draw_scene(scene, 256)
    shrunk = large.reshape(64, 4, 64, 4).mean(axis=(1, 3)) >= 0.5

    # Only outlines may differ: an object has some hundred pixels of outline at most.
    assert (small != shrunk).mean() < 0.08


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_objects_stand_inside_and_do_not_overlap(seed: int) -> None:
    scene = sample_scene(seed)
    taken = np.zeros((32, 32), dtype=int)
    for place in scene.placements:
        assert 0 <= place.left <= 32 - place.side
        assert 0 <= place.top <= 32 - place.side
        taken[place.top : place.top + place.side, place.left : place.left + place.side] += 1

    assert len(scene.placements) == scene.count
    assert taken.max() <= 1 or scene.count > 1
    assert (taken > 1).mean() < 0.06


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_the_mask_lies_where_the_position_says(seed: int) -> None:
    scene = sample_scene(seed)
    _, mask = draw_scene(scene, 64)
    rows, columns = np.nonzero(mask)
    y, x = rows.mean() / 64 - 0.5, columns.mean() / 64 - 0.5

    expected = {
        "in the centre": abs(x) < 0.15 and abs(y) < 0.15,
        "on the left": x < -0.1,
        "on the right": x > 0.1,
        "at the top": y < -0.1,
        "at the bottom": y > 0.1,
        None: scene.count > 1,
    }
    assert expected[scene.position]


@pytest.mark.parametrize("colour", COLOURS)
def test_the_background_has_the_colour_that_is_named(colour: str) -> None:
    pixels, mask = draw_scene(plain_scene(colour=colour), 64)
    mean = pixels[~mask].mean(axis=0)
    nearest = min(COLOURS, key=lambda name: np.linalg.norm(mean - COLOURS[name]))

    assert nearest == colour


@pytest.mark.parametrize("style", ["monochrome", "line drawing"])
def test_styles_without_colour_have_none(style: str) -> None:
    scene = plain_scene(style=style)
    pixels, _ = draw_scene(scene, 64)

    assert scene.visible_colour is None
    assert (pixels.max(axis=-1) - pixels.min(axis=-1)).max() <= 1


def test_a_night_is_darker_and_a_blur_is_smoother_than_the_plain_picture() -> None:
    plain, night, blur = (
        draw_scene(plain_scene(style=style), 64)[0].astype(float)
        for style in ("plain", "night", "blur")
    )

    assert night.mean() < 0.7 * plain.mean()
    assert np.abs(np.diff(blur, axis=0)).max() < 0.6 * np.abs(np.diff(plain, axis=0)).max()


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if p != "plain"])
def test_a_pattern_is_seen_and_a_plain_background_is_not_patterned(pattern: str) -> None:
    def spread(scene: Scene) -> float:
        pixels, _ = draw_scene(replace(scene, placements=()), 64)
        return float(pixels.astype(float).std(axis=(0, 1)).max())

    assert spread(plain_scene(pattern="plain")) == 0
    assert spread(plain_scene(pattern=pattern)) > 5


def test_every_value_of_every_attribute_occurs() -> None:
    scenes = [sample_scene(seed) for seed in range(2000)]

    assert {scene.colour for scene in scenes} == set(COLOURS)
    assert {scene.pattern for scene in scenes} == set(PATTERNS)
    assert {scene.style for scene in scenes} == set(STYLES)
    assert {scene.position for scene in scenes} == {*POSITIONS, None}
    assert {scene.count for scene in scenes} == {1, 2, 3, 4}
    assert len({scene.object_index for scene in scenes}) > 300
