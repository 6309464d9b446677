"""Interventions on scenes: change one thing and keep everything else; pure functions.

There are two levels. A *group* (objects, background, style, layout) is replaced as a whole by that
of another scene, the donor. An *attribute* within a group is given the donor's value. The result is
always a scene that the demo world could draw, or None for what cannot be combined:

- a line drawing, sepia or monochrome picture of flags or hearts, which differ by colour alone;
- rain, snowfall, fog or a starry night in any style but plain;
- two different objects where both scenes show the same one;
- a large object anywhere but in the centre.

>>> from clipheads.demo_world.world.scenes import sample_scene
>>> scene, donor = sample_scene(7), sample_scene(8)
>>> changed = replace_group(scene, donor, "style")
>>> changed.style == donor.style, changed.objects == scene.objects
(True, True)
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from clipheads.demo_world.world.scenes import (
    COLOURLESS_STYLES,
    DIFFER_BY_COLOUR,
    GRID,
    Placement,
    Scene,
)
from clipheads.demo_world.world.sprites import Sprites, default_sprites

GROUPS: dict[str, tuple[str, ...]] = {
    "object": ("object", "category"),
    "background": ("colour", "pattern", "backdrop", "weather"),
    "style": (),
    "layout": ("count", "position", "size"),
}
"""The groups, which are independent of each other but for what cannot be combined, and the
attributes in each. "object" is another object of the same category, "category" one of another."""

Replace = Callable[[Scene, Scene], Scene | None]


def replace_group(
    scene: Scene, donor: Scene, group: str, sprites: Sprites | None = None
) -> Scene | None:
    """Give `scene` the objects, background, style or layout of `donor`; see `GROUPS`.

    The layout is the number, positions and sizes of objects, and whether the two of a pair differ;
    the background is all that is painted behind and in front of them, with its random details.
    """
    sprites = sprites or default_sprites()
    shown = _pair(donor if group == "object" else scene, sprites)
    layout = donor if group == "layout" else scene
    behind = donor if group == "background" else scene
    return _valid(
        _arranged(
            replace(
                layout,
                seed=behind.seed,
                colour=behind.colour,
                pattern=behind.pattern,
                backdrop=behind.backdrop,
                weather=behind.weather,
                style=(donor if group == "style" else scene).style,
            ),
            shown,
            sprites,
        )
    )


def change_attribute(
    scene: Scene, donor: Scene, attribute: str, sprites: Sprites | None = None
) -> Scene | None:
    """Give one attribute of `scene` the value of `donor`, or None unless that is another value.

    A new object of the same or of another category is drawn by the donor's seed. Where the
    number of objects changes they must be placed anew, so the donor's whole layout is taken.
    """
    if not any(attribute in names for names in GROUPS.values()):
        raise ValueError(f"{attribute!r} is no attribute of a scene; there are {GROUPS}")
    sprites = sprites or default_sprites()
    if attribute in ("object", "category"):
        return _other_objects(scene, donor, sprites, same_category=attribute == "object")
    if attribute == "count":
        if scene.count == donor.count:
            return None
        return replace_group(scene, donor, "layout", sprites)
    before, after = getattr(scene, attribute), getattr(donor, attribute)
    if before == after:
        return None
    if attribute == "colour":
        visible = scene.visible_colour and donor.colour
        return _valid(replace(scene, colour=after)) if visible else None
    if attribute in ("pattern", "backdrop"):
        return _valid(replace(scene, **{attribute: after})) if before and after else None
    if attribute == "weather":
        return _valid(replace(scene, weather=after)) if scene.backdrop and donor.backdrop else None
    if attribute == "position":
        moved = before and after and "large" not in (scene.size, donor.size)
        return _moved(scene, donor) if moved else None
    alone = scene.count == donor.count == 1
    centred = scene.position == "in the centre" or after != "large"
    return _resized(scene, donor) if alone and centred else None


def paired_scenes(
    first_seed: int, pairs: int, sample: Callable[[int], Scene], sprites: Sprites | None = None
) -> tuple[list[tuple[Scene, Scene, dict[str, Scene]]], int]:
    """Draw pairs of scenes whose groups can all be exchanged, with the mixed scenes.

    Args:
        first_seed: scenes are sampled from here on.
        pairs: how many pairs.
        sample: from a seed to a scene.
        sprites: the objects of the scenes.

    Returns:
        (A, B, {group: A with that group from B}) for each pair, and the number of pairs that were
        skipped because some group could not be exchanged.
    """
    found: list[tuple[Scene, Scene, dict[str, Scene]]] = []
    for index in count():
        if len(found) == pairs:
            return found, index - pairs
        scene, donor = sample(first_seed + 2 * index), sample(first_seed + 2 * index + 1)
        mixed = {group: replace_group(scene, donor, group, sprites) for group in GROUPS}
        valid = {group: changed for group, changed in mixed.items() if changed is not None}
        if len(valid) == len(GROUPS):
            found.append((scene, donor, valid))
    raise AssertionError("unreachable")


def changed_scenes(
    first_seed: int,
    attribute: str,
    pairs: int,
    sample: Callable[[int], Scene],
    sprites: Sprites | None = None,
) -> Iterator[tuple[Scene, Scene]]:
    """Draw scenes to which an attribute applies, each with the scene in which it is changed."""
    found = 0
    for index in count():
        if found == pairs:
            return
        scene, donor = sample(first_seed + 2 * index), sample(first_seed + 2 * index + 1)
        changed = change_attribute(scene, donor, attribute, sprites)
        if changed is not None:
            found += 1
            yield scene, changed


def _pair(scene: Scene, sprites: Sprites) -> tuple[int, int]:
    """The object of a scene, and the second one that a layout with two different ones shows.

    A scene that shows one object has a second by its seed, which only shows where it is needed.
    """
    first = scene.placements[0].object_index
    if len(scene.objects) == 2:
        return first, scene.placements[1].object_index
    rng = np.random.default_rng((scene.seed, 2))
    return first, int(rng.integers(len(sprites.objects)))


def _arranged(layout: Scene, shown: tuple[int, int], sprites: Sprites) -> Scene | None:
    """Put objects into the placements of a layout; None if a pair would be twice the same."""
    differ = len(layout.objects) == 2
    if differ and shown[0] == shown[1]:
        return None
    indices = shown if differ else shown[:1]
    return replace(
        layout,
        objects=tuple(sprites.objects[index] for index in indices),
        placements=tuple(
            replace(placement, object_index=indices[i % len(indices)])
            for i, placement in enumerate(layout.placements)
        ),
    )


def _other_objects(
    scene: Scene, donor: Scene, sprites: Sprites, *, same_category: bool
) -> Scene | None:
    rng = np.random.default_rng((donor.seed, 3))
    chosen = []
    for item in scene.objects:
        others = [
            index
            for index, other in enumerate(sprites.objects)
            if other != item and (other.category == item.category) == same_category
        ]
        if not others:
            return None
        chosen.append(others[rng.integers(len(others))])
    return _valid(_arranged(scene, (chosen[0], chosen[-1]), sprites))


def _moved(scene: Scene, donor: Scene) -> Scene | None:
    """Move the single object of a scene to the position of the donor's, keeping its side."""
    (own,), (other,) = scene.placements, donor.placements
    return _valid(
        replace(
            scene,
            position=donor.position,
            placements=(_centred(own, own.side, _centre(other)),),
        )
    )


def _resized(scene: Scene, donor: Scene) -> Scene | None:
    """Give the single object of a scene the side of the donor's, keeping its centre."""
    (own,), (other,) = scene.placements, donor.placements
    return _valid(
        replace(scene, size=donor.size, placements=(_centred(own, other.side, _centre(own)),))
    )


def _centre(placement: Placement) -> tuple[float, float]:
    return placement.left + placement.side / 2, placement.top + placement.side / 2


def _centred(placement: Placement, side: int, centre: tuple[float, float]) -> Placement:
    left, top = (int(np.clip(round(c - side / 2), 0, GRID - side)) for c in centre)
    return replace(placement, left=left, top=top, side=side)


def _valid(scene: Scene | None) -> Scene | None:
    """The scene, or None if the demo world could not draw it."""
    if scene is None:
        return None
    if (scene.weather or scene.backdrop == "starry night") and scene.style != "plain":
        return None
    by_colour = any(item.category in DIFFER_BY_COLOUR for item in scene.objects)
    return None if by_colour and scene.style in COLOURLESS_STYLES else scene
