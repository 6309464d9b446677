"""Interventions change one thing of a scene and keep all else."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipheads.demo_world.truth.interventions import (
    GROUPS,
    change_attribute,
    changed_scenes,
    paired_scenes,
    replace_group,
)
from clipheads.demo_world.world.scenes import (
    COLOURLESS_STYLES,
    DIFFER_BY_COLOUR,
    Scene,
    draw_scene,
    sample_scene,
)

ATTRIBUTES = [name for names in GROUPS.values() for name in names]
seeds = st.integers(0, 50_000)


def parts(scene: Scene) -> dict[str, object]:
    """What each group of a scene is, without what belongs to the others."""
    return {
        "object": tuple(dict.fromkeys(scene.objects)),
        "background": (scene.seed, scene.colour, scene.pattern, scene.backdrop, scene.weather),
        "style": scene.style,
        "layout": (
            scene.count,
            scene.position,
            scene.size,
            len(scene.objects),
            tuple((p.left, p.top, p.side, p.mirrored) for p in scene.placements),
        ),
    }


def could_be_drawn(scene: Scene) -> bool:
    plain_only = scene.weather is not None or scene.backdrop == "starry night"
    by_colour = any(item.category in DIFFER_BY_COLOUR for item in scene.objects)
    return (
        not (plain_only and scene.style != "plain")
        and not (by_colour and scene.style in COLOURLESS_STYLES)
        and len(set(scene.objects)) == len(scene.objects)
        and all(p.left >= 0 and p.left + p.side <= 32 for p in scene.placements)
        and all(p.top >= 0 and p.top + p.side <= 32 for p in scene.placements)
    )


@given(first=seeds, second=seeds, group=st.sampled_from(list(GROUPS)))
def test_replacing_a_group_takes_it_from_the_donor_and_keeps_the_others(
    first: int, second: int, group: str
) -> None:
    scene, donor = sample_scene(first), sample_scene(second)
    mixed = replace_group(scene, donor, group)
    if mixed is None:
        return
    assert could_be_drawn(mixed)
    for name, part in parts(mixed).items():
        source = parts(donor if name == group else scene)[name]
        if name == "object":
            # How many different objects are shown is a matter of the layout.
            assert part[0] == source[0]  # type: ignore[index]
        else:
            assert part == source


@given(first=seeds, second=seeds)
def test_replacing_all_groups_one_after_another_gives_the_donor(first: int, second: int) -> None:
    mixed, donor = sample_scene(first), sample_scene(second)
    for group in ("style", "background", "layout", "object"):
        changed = replace_group(mixed, donor, group)
        if changed is None:
            return
        mixed = changed

    assert replace(mixed, seed=donor.seed) == donor


@given(seed=seeds, group=st.sampled_from(list(GROUPS)))
def test_a_scene_that_is_its_own_donor_stays_as_it_is(seed: int, group: str) -> None:
    scene = sample_scene(seed)
    assert replace_group(scene, scene, group) == scene


@given(first=seeds, second=seeds, attribute=st.sampled_from(ATTRIBUTES))
def test_changing_an_attribute_gives_it_another_value_in_a_scene_that_could_be_drawn(
    first: int, second: int, attribute: str
) -> None:
    scene, donor = sample_scene(first), sample_scene(second)
    changed = change_attribute(scene, donor, attribute)
    if changed is None:
        return
    assert could_be_drawn(changed)
    if attribute in ("object", "category"):
        for old, new in zip(scene.objects, changed.objects, strict=True):
            assert old != new
            assert (old.category == new.category) == (attribute == "object")
    else:
        assert getattr(changed, attribute) == getattr(donor, attribute)
        assert getattr(changed, attribute) != getattr(scene, attribute)


@pytest.mark.parametrize(
    ("attribute", "may_change"),
    [
        ("object", {"objects", "placements"}),
        ("category", {"objects", "placements"}),
        ("colour", {"colour"}),
        ("pattern", {"pattern"}),
        ("backdrop", {"backdrop"}),
        ("weather", {"weather"}),
        ("count", {"count", "position", "size", "placements", "objects"}),
        ("position", {"position", "placements"}),
        ("size", {"size", "placements"}),
    ],
)
def test_changing_an_attribute_keeps_everything_else(attribute: str, may_change: set[str]) -> None:
    for before, after in changed_scenes(0, attribute, 40, sample_scene):
        changed = {
            field.name
            for field in fields(Scene)
            if getattr(before, field.name) != getattr(after, field.name)
        }
        assert attribute in changed or attribute in ("object", "category")
        assert changed <= may_change


def test_changing_the_colour_changes_the_wall_and_hardly_the_object() -> None:
    for before, after in changed_scenes(100, "colour", 10, sample_scene):
        if before.style != "plain":
            continue
        pixels, mask = draw_scene(before, 64)
        others, other_mask = draw_scene(after, 64)
        moved = np.abs(pixels.astype(float) - others.astype(float)).sum(axis=2)
        assert (mask == other_mask).all()
        # Objects are a little transparent at their edges.
        assert moved[mask].mean() < 0.25 * moved[~mask].mean()
        assert (moved[~mask] > 0).mean() > 0.9


def test_pairs_are_those_of_which_every_group_can_be_exchanged() -> None:
    pairs, passed_over = paired_scenes(5_000, 60, sample_scene)

    assert len(pairs) == 60
    assert 0 < passed_over < 60
    for scene, donor, mixed in pairs:
        assert set(mixed) == set(GROUPS)
        assert all(mixed[group] == replace_group(scene, donor, group) for group in GROUPS)
    styles = Counter(donor.style for _, donor, _ in pairs)
    assert len(styles) == 6


def test_the_same_seed_gives_the_same_scenes() -> None:
    assert paired_scenes(7, 5, sample_scene) == paired_scenes(7, 5, sample_scene)


def test_an_unknown_attribute_is_an_error() -> None:
    with pytest.raises(ValueError, match="no attribute"):
        change_attribute(sample_scene(1), sample_scene(2), "smell")
