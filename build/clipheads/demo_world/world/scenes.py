"""Scenes of the demo world: each a pure function of its seed, with its ground truth.

>>> from clipheads.demo_world.world.scenes import draw_scene, sample_scene
>>> scene = sample_scene(7)
>>> pixels, mask = draw_scene(scene, 64)
>>> pixels.shape, mask.shape
((64, 64, 3), (64, 64))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipheads.demo_world.world.backdrops import paint_backdrop, paint_weather
from clipheads.demo_world.world.sprites import DemoObject, Sprites, default_sprites

COLOURS = {
    "red": (214, 40, 40),
    "orange": (245, 133, 24),
    "yellow": (250, 214, 52),
    "green": (52, 160, 72),
    "blue": (40, 96, 200),
    "purple": (128, 60, 170),
    "pink": (246, 150, 190),
    "brown": (124, 78, 44),
    "black": (22, 22, 26),
    "grey": (140, 142, 146),
    "white": (246, 246, 244),
}
"""Colours of the wall behind the objects, sRGB."""

PATTERNS = ("plain", "striped", "dotted", "checked", "zigzag", "gradient")
BACKDROPS = ("sky", "sea", "grass", "snow", "sunset", "starry night")
"""What stands behind the objects instead of a coloured, patterned wall."""

WEATHERS = ("rain", "snowfall", "fog")
"""What may lie in front of a backdrop."""

STYLES = ("plain", "monochrome", "line drawing", "night", "blur", "sepia")
POSITIONS = ("in the centre", "on the left", "on the right", "at the top", "at the bottom")
COUNTS = ("one", "two", "three", "four")
SIZES = ("small", "large")

COLOURLESS_STYLES = frozenset({"monochrome", "line drawing", "sepia"})
"""Styles in which colours cannot be seen."""

DIFFER_BY_COLOUR = frozenset({"flag", "heart"})
"""Categories whose objects differ by colour alone: never shown in a colourless style."""

Floats = NDArray[np.floating[Any]]

GRID = 32
"""Sizes and positions are multiples of 1/32 of the side, so that resized sprites are reused."""
_SLOTS = {  # (x, y) of the objects' centres, and the range of sizes, in 1/32 of the side
    2: (((8, 16), (24, 16)), (13, 16)),
    3: (((8, 8.5), (24, 8.5), (16, 23.5)), (12, 15)),
    4: (((8, 8), (24, 8), (8, 24), (24, 24)), (12, 15)),
}
_CENTRES = {
    "in the centre": (16, 16),
    "on the left": (9, 16),
    "on the right": (23, 16),
    "at the top": (16, 9),
    "at the bottom": (16, 23),
}
_ANY_SIZE = (16, 19)
_SIDES = {"small": (12, 14), "large": (22, 27)}
"""Sides of a single object, in 1/32 of the picture's side; between them it is of no named size."""


@dataclass(frozen=True)
class Placement:
    """Position and size of one object, in 1/32 of the picture's side."""

    object_index: int
    left: int
    top: int
    side: int
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """What a scene shows; drawing it needs nothing else but the sprites.

    A scene shows `count` copies of one object, or one each of two different `objects`. Behind
    them is a wall with a `colour` and a `pattern`, or a `backdrop`, perhaps with a `weather`.
    What does not apply is None: `position` with several objects, `size` where it is unremarkable.
    """

    seed: int
    objects: tuple[DemoObject, ...]
    colour: str | None
    pattern: str | None
    backdrop: str | None
    weather: str | None
    count: int
    position: str | None
    size: str | None
    style: str
    placements: tuple[Placement, ...]

    @property
    def visible_colour(self) -> str | None:
        """The wall's colour, or None in a style that hides it."""
        return None if self.style in COLOURLESS_STYLES else self.colour


def sample_scene(
    seed: int, sprites: Sprites | None = None, object_index: int | None = None
) -> Scene:
    """Compose the scene that belongs to `seed`.

    Args:
        seed: any non-negative integer.
        sprites: the objects to choose from; the committed ones by default.
        object_index: show this object (first) instead of one drawn from the seed.
    """
    sprites = sprites or default_sprites()
    rng = np.random.default_rng(seed)
    first, second = (int(index) for index in rng.integers(len(sprites.objects), size=2))
    if object_index is not None:
        first = object_index
    walled = bool(rng.random() < 0.65)
    colour = tuple(COLOURS)[rng.integers(len(COLOURS))] if walled else None
    pattern = PATTERNS[rng.choice(6, p=(0.35, 0.13, 0.13, 0.13, 0.13, 0.13))] if walled else None
    backdrop = None if walled else BACKDROPS[rng.integers(len(BACKDROPS))]
    weather = None if walled or rng.random() < 0.5 else WEATHERS[rng.integers(len(WEATHERS))]
    style = STYLES[rng.choice(6, p=(0.55, 0.09, 0.09, 0.09, 0.09, 0.09))]
    count = int(rng.choice(4, p=(0.6, 0.2, 0.1, 0.1))) + 1
    shown = (first, second) if count == 2 and second != first and rng.random() < 0.6 else (first,)
    objects = tuple(sprites.objects[index] for index in shown)

    # What a style would hide is not drawn in it: rain among drawn lines, a starry sky at night.
    if weather or backdrop == "starry night":
        style = "plain"
    if style in COLOURLESS_STYLES and any(item.category in DIFFER_BY_COLOUR for item in objects):
        style = "plain"

    position = size = None
    if count == 1:
        position, size = _sample_position_and_size(rng)
        centres: tuple[tuple[float, float], ...] = (_CENTRES[position],)
        sides = _SIDES[size] if size else _ANY_SIZE
    else:
        centres, sides = _SLOTS[count]
    placements = _sample_placements(rng, shown, centres, sides, sprites)
    return Scene(
        seed,
        objects,
        colour,
        pattern,
        backdrop,
        weather,
        count,
        position,
        size,
        style,
        placements,
    )


def _sample_position_and_size(rng: np.random.Generator) -> tuple[str, str | None]:
    """Position and size of a single object; a large one fits only in the centre."""
    position = POSITIONS[rng.choice(5, p=(0.4, 0.15, 0.15, 0.15, 0.15))]
    sizes: tuple[str | None, ...] = (None, "small", "large")
    size = sizes[rng.choice(3, p=(0.6, 0.2, 0.2))]
    return ("in the centre" if size == "large" else position), size


def _sample_placements(
    rng: np.random.Generator,
    shown: Sequence[int],
    centres: Sequence[tuple[float, float]],
    sides: tuple[int, int],
    sprites: Sprites,
) -> tuple[Placement, ...]:
    """Put objects, in turn, near centres, all of one side in a range; some are mirrored."""
    smallest, largest = sides
    side = int(rng.integers(smallest, largest + 1))
    placements = []
    for number, centre in enumerate(centres):
        index = shown[number % len(shown)]
        jittered = np.add(centre, rng.uniform(-1, 1, 2))
        left, top = (int(np.clip(round(c - side / 2), 0, GRID - side)) for c in jittered)
        may_mirror = sprites.objects[index].category not in _NEVER_MIRRORED
        mirrored = bool(rng.random() < 0.5 and may_mirror)
        placements.append(Placement(index, left, top, side, mirrored))
    return tuple(placements)


_NEVER_MIRRORED = frozenset({"flag", "clock", "music", "hand"})


def draw_scene(
    scene: Scene, side: int, sprites: Sprites | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a scene at any size.

    Args:
        scene: what to draw.
        side: side of the square picture in pixels; a multiple of 32 keeps sizes exact.
        sprites: the same that the scene was sampled from.

    Returns:
        Pixels [side, side, 3] in sRGB, and the mask [side, side] of the pixels that an
        object covers by at least half.
    """
    sprites = sprites or default_sprites()
    rng = np.random.default_rng((scene.seed, 1))
    if scene.backdrop:
        canvas = paint_backdrop(scene.backdrop, side, rng)
    else:
        canvas = _wall(scene, side, rng)
    for placement in scene.placements:
        picture, window = _placed(placement, side, sprites)
        canvas[window] *= 1 - picture[..., 3:]
        canvas[window] += picture[..., :3]
    if scene.weather:
        canvas = paint_weather(canvas, scene.weather, rng)
    canvas = _STYLE_FILTERS[scene.style](canvas)
    pixels = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels, object_mask(scene, side, scene.objects, sprites)


def object_mask(
    scene: Scene, side: int, objects: Sequence[DemoObject], sprites: Sprites | None = None
) -> NDArray[np.bool_]:
    """Return the pixels that some of a scene's objects cover by at least half, [side, side]."""
    sprites = sprites or default_sprites()
    alpha = np.zeros((side, side), dtype=np.float32)
    for placement in scene.placements:
        if sprites.objects[placement.object_index] in objects:
            picture, window = _placed(placement, side, sprites)
            alpha[window] = np.maximum(alpha[window], picture[..., 3])
    mask: NDArray[np.bool_] = alpha >= 0.5
    return mask


def _placed(
    placement: Placement, side: int, sprites: Sprites
) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """The picture of a placed object, and the window of the canvas that it fills."""
    unit = side / GRID
    picture = sprites.picture(placement.object_index, round(placement.side * unit))
    if placement.mirrored:
        picture = picture[:, ::-1]
    top, left = round(placement.top * unit), round(placement.left * unit)
    picture = picture[: side - top, : side - left]
    return picture, np.s_[top : top + picture.shape[0], left : left + picture.shape[1]]


def _wall(scene: Scene, side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint the coloured, patterned background, [side, side, 3] in 0…1."""
    assert scene.colour
    assert scene.pattern
    base = np.clip(np.array(COLOURS[scene.colour]) + rng.normal(0, 7, 3), 0, 255) / 255
    towards_light = base.mean() < 0.45
    second = base + (1 - base) * 0.34 if towards_light else base * 0.72
    mix = _pattern(scene.pattern, side, rng)[..., None]
    return (base * (1 - mix) + second * mix).astype(np.float32)


def _pattern(pattern: str, side: int, rng: np.random.Generator) -> Floats:
    """Return how much of the second shade each pixel takes, [side, side] in 0…1."""
    if pattern == "plain":
        return np.zeros((side, side), dtype=np.float32)
    period = rng.uniform(0.16, 0.26)
    shift_x, shift_y = rng.uniform(0, 1, 2)
    angle = rng.choice((0.0, np.pi / 2, np.pi / 4, -np.pi / 4))
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = axis[None, :], axis[:, None]
    along = np.cos(angle) * x + np.sin(angle) * y
    if pattern == "gradient":
        ramp: Floats = along - along.min()
        blend: Floats = ramp / ramp.max() * 1.6 - 0.3  # reaches past both shades, to be seen
        return blend
    soft = 1.5 / (side * period)  # an edge one pixel wide, whatever the size
    wave: Floats
    if pattern == "striped":
        wave = _triangle(along / period + shift_x)
    elif pattern == "zigzag":
        wave = _triangle(y / period + shift_y + 0.9 * _triangle(x / (1.2 * period) + shift_x))
    elif pattern == "dotted":
        dx = _triangle(x / period + shift_x)
        dy = _triangle(y / period + shift_y)
        wave = 0.83 - np.hypot(1 - dx, 1 - dy) * 0.62
    else:  # checked
        a = _triangle(x / (1.4 * period) + shift_x) - 0.5
        b = _triangle(y / (1.4 * period) + shift_y) - 0.5
        wave = 0.5 + np.sign(a * b) * np.minimum(np.abs(a), np.abs(b))
    return np.clip((wave - 0.5) / (2 * soft) + 0.5, 0, 1).astype(np.float32) + np.zeros(
        (side, side), dtype=np.float32
    )


def _triangle(phase: Floats) -> Floats:
    """A triangle wave of period 1 between 0 and 1."""
    wave: Floats = np.abs(2 * (phase - np.floor(phase)) - 1)
    return wave


def _luminance(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    luminance: NDArray[np.float32] = canvas @ np.array((0.299, 0.587, 0.114), dtype=np.float32)
    return luminance


def _unchanged(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    return canvas


def _monochrome(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(_luminance(canvas)[..., None], 3, axis=-1)


def _sepia(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    tone = np.array((1.0, 0.82, 0.58), dtype=np.float32)
    return (0.12 + 0.88 * _luminance(canvas))[..., None] * tone


def _line_drawing(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    reach = max(1, canvas.shape[0] // 64)
    edges = np.zeros(canvas.shape[:2], dtype=np.float32)
    edges[:, reach:] += np.abs(canvas[:, reach:] - canvas[:, :-reach]).max(axis=-1)
    edges[reach:] += np.abs(canvas[reach:] - canvas[:-reach]).max(axis=-1)
    ink = np.clip(1.05 - 2.6 * edges, 0, 1)
    return np.repeat(ink[..., None], 3, axis=-1)


def _night(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    moonlight = np.array((0.36, 0.42, 0.62), dtype=np.float32)
    return canvas * moonlight + np.array((0.0, 0.01, 0.06), dtype=np.float32)


def _blur(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    reach = max(1, round(canvas.shape[0] / 28))
    for _ in range(2):
        for axis in (0, 1):
            canvas = _box_mean(canvas, reach, axis)
    return canvas


def _box_mean(canvas: NDArray[np.float32], reach: int, axis: int) -> NDArray[np.float32]:
    """Mean over 2·reach + 1 neighbours along an axis, the border repeated."""
    pad = [(0, 0)] * canvas.ndim
    pad[axis] = (reach + 1, reach)
    sums = np.cumsum(np.pad(canvas, pad, mode="edge"), axis=axis, dtype=np.float64)
    width = 2 * reach + 1
    upper = np.take(sums, range(width, sums.shape[axis]), axis=axis)
    lower = np.take(sums, range(sums.shape[axis] - width), axis=axis)
    return ((upper - lower) / width).astype(np.float32)


_STYLE_FILTERS = {
    "plain": _unchanged,
    "monochrome": _monochrome,
    "line drawing": _line_drawing,
    "night": _night,
    "blur": _blur,
    "sepia": _sepia,
}
