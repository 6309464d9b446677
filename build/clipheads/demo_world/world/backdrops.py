"""Natural backdrops of the demo world's scenes, and the weather in front of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.floating[Any]]


def paint_backdrop(backdrop: str, side: int, rng: np.random.Generator) -> Canvas:
    """Paint one of `scenes.BACKDROPS`, [side, side, 3] in 0…1, varied by `rng`."""
    return np.clip(_BACKDROPS[backdrop](side, rng), 0, 1).astype(np.float32)


def paint_weather(canvas: Canvas, weather: str, rng: np.random.Generator) -> Canvas:
    """Paint one of `scenes.WEATHERS` over a finished picture, [side, side, 3] in 0…1."""
    return _WEATHERS[weather](canvas, rng).astype(np.float32)


def _colour(red: int, green: int, blue: int) -> Canvas:
    return np.array((red, green, blue), dtype=np.float32) / 255


def _ramp(side: int, top: Canvas, bottom: Canvas) -> Canvas:
    """A vertical gradient, [side, side, 3]."""
    share = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    return np.broadcast_to(top * (1 - share) + bottom * share, (side, side, 3)).copy()


def _noise(side: int, rng: np.random.Generator, across: int, down: int) -> Canvas:
    """Smooth noise with `across` × `down` bumps, [side, side, 1] in 0…1."""
    coarse = rng.random((down + 1, across + 1)).astype(np.float32)
    x = np.linspace(0, across, side, endpoint=False)
    y = np.linspace(0, down, side, endpoint=False)
    left, top = x.astype(int), y.astype(int)
    u = (x - left).astype(np.float32)
    v = (y - top).astype(np.float32)[:, None]
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    upper = coarse[top][:, left] * (1 - u) + coarse[top][:, left + 1] * u
    lower = coarse[top + 1][:, left] * (1 - u) + coarse[top + 1][:, left + 1] * u
    noise: Canvas = (upper * (1 - v) + lower * v)[..., None]
    return noise


def _below(side: int, height: float) -> Canvas:
    """1 below a horizon at `height` (0 is the top), soft over one pixel, [side, 1, 1]."""
    rows = (np.arange(side, dtype=np.float32) + 0.5)[:, None, None]
    below: Canvas = np.clip(rows - height * side + 0.5, 0, 1)
    return below


def _sky(side: int, rng: np.random.Generator) -> Canvas:
    blue = _ramp(side, _colour(70, 140, 225), _colour(170, 215, 245))
    clouds = np.clip(
        (_noise(side, rng, 4, 7) * 0.7 + _noise(side, rng, 9, 14) * 0.3) * 4 - 2.1, 0, 1
    )
    painted: Canvas = blue * (1 - clouds) + clouds * _colour(252, 252, 255)
    return painted


def _sea(side: int, rng: np.random.Generator) -> Canvas:
    waves = 0.75 + 0.5 * (_noise(side, rng, 6, 22) - 0.5)
    water = _ramp(side, _colour(40, 140, 170), _colour(10, 60, 120)) * waves
    foam = np.clip(_noise(side, rng, 5, 24) * 6 - 4.6, 0, 1)
    water = water * (1 - foam) + foam * _colour(225, 240, 245)
    air = _ramp(side, _colour(150, 200, 235), _colour(205, 230, 240))
    below = _below(side, rng.uniform(0.22, 0.38))
    painted: Canvas = air * (1 - below) + water * below
    return painted


def _grass(side: int, rng: np.random.Generator) -> Canvas:
    blades = 0.72 + 0.55 * _noise(side, rng, 26, 9)
    meadow = _ramp(side, _colour(120, 180, 60), _colour(60, 130, 40)) * blades
    air = _ramp(side, _colour(130, 190, 240), _colour(200, 228, 245))
    below = _below(side, rng.uniform(0.15, 0.32))
    painted: Canvas = air * (1 - below) + meadow * below
    return painted


def _snow(side: int, rng: np.random.Generator) -> Canvas:
    drifts = 0.9 + 0.14 * _noise(side, rng, 3, 6)
    ground = np.broadcast_to(_colour(236, 242, 250) * drifts, (side, side, 3))
    air = _ramp(side, _colour(150, 165, 185), _colour(195, 205, 218))
    x = np.linspace(0, 2 * np.pi, side, dtype=np.float32)
    hills = rng.uniform(0.28, 0.4) + 0.05 * np.sin(x * rng.uniform(0.8, 1.6) + rng.uniform(0, 6))
    rows = (np.arange(side, dtype=np.float32) + 0.5)[:, None]
    below = np.clip(rows - hills[None, :] * side + 0.5, 0, 1)[..., None]
    painted: Canvas = air * (1 - below) + ground * below
    return painted


def _sunset(side: int, rng: np.random.Generator) -> Canvas:
    upper = _ramp(side, _colour(70, 40, 110), _colour(240, 110, 60))
    lower = _ramp(side, _colour(240, 110, 60), _colour(255, 200, 90))
    share = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    sky = upper * (1 - share) + lower * share
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    distance = np.hypot(
        axis[None, :] - rng.uniform(0.2, 0.8), axis[:, None] - rng.uniform(0.6, 0.75)
    )
    sun = np.clip((0.13 - distance) * side + 0.5, 0, 1)[..., None]
    sky = sky * (1 - sun) + sun * _colour(255, 240, 170)
    below = _below(side, rng.uniform(0.8, 0.88))
    painted: Canvas = sky * (1 - below) + below * _colour(60, 25, 45)
    return painted


def _starry_night(side: int, rng: np.random.Generator) -> Canvas:
    sky = _ramp(side, _colour(8, 10, 34), _colour(34, 38, 84))
    for x, y in rng.random((26, 2)):
        brightness = rng.uniform(0.5, 1)
        reach = side / 64 * rng.uniform(0.6, 1.3)
        left, top = int(x * side), int(y * side)
        edge = max(1, round(reach))
        sky[top : top + edge, left : left + edge] = brightness * _colour(255, 250, 225)
    return sky


def _rain(canvas: Canvas, rng: np.random.Generator) -> Canvas:
    side = canvas.shape[0]
    wet = canvas * 0.78 + 0.1 * _colour(120, 140, 165)
    axis = np.arange(side, dtype=np.float32) / side
    slanted = axis[None, :] * 20 + axis[:, None] * 5 + rng.uniform(0, 1)
    drops = _noise(side, rng, 20, 7)[..., 0] > 0.55
    streaks = (np.abs(slanted - np.floor(slanted) - 0.5) < 0.13) & drops
    painted: Canvas = wet + streaks[..., None] * 0.55 * (_colour(215, 230, 250) - wet)
    return painted


def _snowfall(canvas: Canvas, rng: np.random.Generator) -> Canvas:
    side = canvas.shape[0]
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    flakes = np.zeros((side, side), dtype=np.float32)
    for x, y in rng.random((40, 2)):
        radius = rng.uniform(0.012, 0.026)
        across = np.abs(axis - x) < 0.05
        down = np.abs(axis - y) < 0.05
        distance = np.hypot(axis[across][None, :] - x, axis[down][:, None] - y)
        window = np.ix_(down, across)
        flakes[window] = np.maximum(flakes[window], np.clip((radius - distance) * side + 0.5, 0, 1))
    painted: Canvas = canvas * 0.92 + flakes[..., None] * (1 - canvas * 0.92)
    return painted


def _fog(canvas: Canvas, rng: np.random.Generator) -> Canvas:
    side = canvas.shape[0]
    share = 0.5 + 0.22 * (_noise(side, rng, 2, 4) - 0.5)
    painted: Canvas = canvas * (1 - share) + share * _colour(222, 226, 230)
    return painted


_BACKDROPS: dict[str, Callable[[int, np.random.Generator], Canvas]] = {
    "sky": _sky,
    "sea": _sea,
    "grass": _grass,
    "snow": _snow,
    "sunset": _sunset,
    "starry night": _starry_night,
}
_WEATHERS: dict[str, Callable[[Canvas, np.random.Generator], Canvas]] = {
    "rain": _rain,
    "snowfall": _snowfall,
    "fog": _fog,
}
