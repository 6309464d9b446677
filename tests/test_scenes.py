"""Scenes are pure functions of their seed, and what they say of themselves is what they show."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipheads.demo_world.world.scenes import (
    BACKDROPS,
    COLOURLESS_STYLES,
    COLOURS,
    DIFFER_BY_COLOUR,
    PATTERNS,
    POSITIONS,
    SIZES,
    STYLES,
    WEATHERS,
    Scene,
    draw_scene,
    sample_scene,
)

SEEDS = st.integers(0, 10_000_000)


def plain_scene(**changes: object) -> Scene:
    """A single centred object before a plain red wall, but for the changes."""
    seed = next(
        seed for seed in range(1000) if sample_scene(seed).position == "in the centre"
    )  # fmt: skip
    facts = {
        "colour": "red", "pattern": "plain", "backdrop": None, "weather": None, "style": "plain",
    } | changes  # fmt: skip
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
    for placement in scene.placements:
        assert 0 <= placement.left <= 32 - placement.side
        assert 0 <= placement.top <= 32 - placement.side
        taken[
            placement.top : placement.top + placement.side,
            placement.left : placement.left + placement.side,
        ] += 1

    assert len(scene.placements) == scene.count
    assert taken.max() <= 1 or scene.count > 1
    assert (taken > 1).mean() < 0.06


@settings(max_examples=40, deadline=None)
@example(45975)
@given(SEEDS)
def test_the_mask_lies_where_the_position_says(seed: int) -> None:
    scene = sample_scene(seed)
    _, mask = draw_scene(scene, 64)
    rows, columns = np.nonzero(mask)
    y, x = rows.mean() / 64 - 0.5, columns.mean() / 64 - 0.5

    expected = {
        # The square is centred; a large object that fills its lower half, as a pudding, is not.
        "in the centre": abs(x) < 0.2 and abs(y) < 0.2,
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


def backdrop_of(backdrop: str, seed: int) -> np.ndarray:
    scene = replace(plain_scene(backdrop=backdrop, placements=()), seed=seed)
    return draw_scene(scene, 64)[0].astype(float)


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_a_backdrop_looks_more_like_itself_than_like_any_other(backdrop: str) -> None:
    first = backdrop_of(backdrop, 1)
    colours = {other: backdrop_of(other, 2).mean(axis=1) for other in BACKDROPS}
    distance = {other: np.abs(first.mean(axis=1) - rows).mean() for other, rows in colours.items()}

    assert min(distance, key=lambda other: distance[other]) == backdrop


@pytest.mark.parametrize("weather", WEATHERS)
def test_weather_hangs_before_the_objects_and_hides_none_of_them(weather: str) -> None:
    clear, mask = draw_scene(plain_scene(backdrop="grass"), 64)
    pixels, same_mask = draw_scene(plain_scene(backdrop="grass", weather=weather), 64)
    changed = np.abs(pixels.astype(float) - clear)[mask].mean()

    assert np.array_equal(mask, same_mask)
    assert 8 < changed < 110


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_nothing_is_asked_that_cannot_be_seen(seed: int) -> None:
    scene = sample_scene(seed)

    assert (scene.backdrop is None) == (scene.colour is not None) == (scene.pattern is not None)
    assert scene.weather is None or (scene.backdrop and scene.style == "plain")
    if any(item.category in DIFFER_BY_COLOUR for item in scene.objects):
        assert scene.style not in COLOURLESS_STYLES
    assert len(scene.objects) == len(set(scene.objects)) <= 2
    assert len(scene.objects) == 1 or scene.count == 2
    if scene.count > 1:
        assert scene.size is scene.position is None


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_large_object_covers_at_least_twice_as_much_as_a_small_one(seed: int) -> None:
    scene = sample_scene(seed)
    sides = {None: (12, 19), "small": (12, 14), "large": (22, 27)}
    low, high = sides[scene.size]

    assert all(low <= placement.side <= high for placement in scene.placements)
    assert sides["large"][0] ** 2 > 2 * sides["small"][1] ** 2


def test_every_value_of_every_attribute_occurs() -> None:
    scenes = [sample_scene(seed) for seed in range(3000)]

    assert {scene.colour for scene in scenes} == {*COLOURS, None}
    assert {scene.pattern for scene in scenes} == {*PATTERNS, None}
    assert {scene.backdrop for scene in scenes} == {*BACKDROPS, None}
    assert {scene.weather for scene in scenes} == {*WEATHERS, None}
    assert {scene.style for scene in scenes} == set(STYLES)
    assert {scene.position for scene in scenes} == {*POSITIONS, None}
    assert {scene.size for scene in scenes} == {*SIZES, None}
    assert {scene.count for scene in scenes} == {1, 2, 3, 4}
    assert len({item for scene in scenes for item in scene.objects}) >= 600
