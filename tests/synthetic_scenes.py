"""The pictures of synthetic bundles: one shape on a patterned ground each."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("sun", "house", "tree", "fish", "flower", "boat", "kite", "snowman")
COLOURS = {
    "red": (204, 62, 52),
    "orange": (232, 140, 44),
    "yellow": (238, 200, 66),
    "green": (76, 148, 84),
    "blue": (58, 112, 186),
    "purple": (126, 84, 160),
}
GROUNDS = ("plain ground", "stripes", "dots", "evening sky")
SIZES = ((512, 512), (512, 384), (384, 512))


@dataclass(frozen=True)
class Scene:
    """What is in one picture; x and y are the shape's centre, 0 to 1 within the centred square."""

    shape: str
    colour: str
    ground: str
    x: float
    y: float
    size: tuple[int, int]

    @property
    def title(self) -> str:
        """A caption in words."""
        return f"A {self.colour} {self.shape}, {self.ground}"


def scene(number: int) -> Scene:
    """The picture of this number."""
    draw = np.random.default_rng(number)
    return Scene(
        shape=SHAPES[number % len(SHAPES)],
        colour=list(COLOURS)[int(draw.integers(len(COLOURS)))],
        ground=GROUNDS[int(draw.integers(len(GROUNDS)))],
        x=float(draw.uniform(0.25, 0.75)),
        y=float(draw.uniform(0.3, 0.7)),
        size=SIZES[int(draw.integers(len(SIZES)))],
    )


def paint(what: Scene) -> Image.Image:
    """The picture of a scene."""
    width, height = what.size
    rng = np.random.default_rng(int(what.x * 1e6))
    base = rng.integers(150, 235, 3)
    fade = np.linspace(1.06, 0.86, height)[:, None, None]
    if what.ground == "evening sky":
        fade = np.linspace(0.55, 1.1, height)[:, None, None]
    pixels = np.broadcast_to(base, (height, width, 3)) * fade
    rows, columns = np.mgrid[0:height, 0:width]
    if what.ground == "stripes":
        pixels = pixels * np.where((rows + columns) // 28 % 2 == 0, 1.0, 0.88)[..., None]
    elif what.ground == "dots":
        ring = (rows % 56 - 28) ** 2 + (columns % 56 - 28) ** 2
        pixels = pixels * np.where(ring < 130, 0.8, 1.0)[..., None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    side = min(width, height)
    x = (width - side) / 2 + what.x * side
    y = (height - side) / 2 + what.y * side
    r = side * 0.17
    ink = COLOURS[what.colour]
    dark = tuple(int(channel * 0.55) for channel in ink)
    pale = tuple(int(channel + (255 - channel) * 0.7) for channel in ink)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + u * r, y + v * r) for u, v in points]

    pen.ellipse(at((-1.1, 1.0), (1.1, 1.35)), fill=tuple(int(c * 0.7) for c in base))
    if what.shape == "sun":
        for k in range(12):
            a = k * np.pi / 6
            pen.line(at((0, 0), (1.5 * np.cos(a), 1.5 * np.sin(a))), fill=ink, width=int(r / 7))
        pen.ellipse(at((-0.85, -0.85), (0.85, 0.85)), fill=ink, outline=dark, width=4)
    elif what.shape == "house":
        pen.rectangle(at((-0.9, -0.3), (0.9, 1.1)), fill=pale, outline=dark, width=4)
        pen.polygon(at((-1.2, -0.3), (0, -1.3), (1.2, -0.3)), fill=ink, outline=dark)
        pen.rectangle(at((-0.25, 0.3), (0.25, 1.1)), fill=dark)
    elif what.shape == "tree":
        pen.rectangle(at((-0.15, 0.3), (0.15, 1.2)), fill=(110, 78, 52))
        for v in (0.4, -0.15, -0.7):
            pen.polygon(at((-0.9, v), (0, v - 0.75), (0.9, v)), fill=ink, outline=dark)
    elif what.shape == "fish":
        pen.polygon(at((0.6, 0), (1.4, -0.6), (1.4, 0.6)), fill=dark)
        pen.ellipse(at((-1.1, -0.6), (0.9, 0.6)), fill=ink, outline=dark, width=4)
        pen.ellipse(at((-0.75, -0.25), (-0.5, 0)), fill="white", outline="black")
    elif what.shape == "flower":
        pen.line(at((0, 0), (0, 1.3)), fill=(64, 120, 70), width=int(r / 8))
        for k in range(6):
            a = k * np.pi / 3
            u, v = 0.62 * np.cos(a), 0.62 * np.sin(a) - 0.3
            pen.ellipse(at((u - 0.42, v - 0.42), (u + 0.42, v + 0.42)), fill=ink, outline=dark)
        pen.ellipse(at((-0.35, -0.65), (0.35, 0.05)), fill=pale, outline=dark)
    elif what.shape == "boat":
        pen.polygon(at((-1.2, 0.5), (1.2, 0.5), (0.7, 1.15), (-0.7, 1.15)), fill=ink, outline=dark)
        pen.line(at((0, 0.5), (0, -1.3)), fill=dark, width=5)
        pen.polygon(at((0.08, -1.25), (0.08, 0.35), (1.0, 0.35)), fill=pale, outline=dark)
    elif what.shape == "kite":
        pen.polygon(at((0, -1.3), (0.85, -0.2), (0, 1.0), (-0.85, -0.2)), fill=ink, outline=dark)
        pen.line(at((0, -1.3), (0, 1.0)), fill=dark, width=3)
        pen.line(at((-0.85, -0.2), (0.85, -0.2)), fill=dark, width=3)
    else:
        pen.ellipse(at((-0.75, 0), (0.75, 1.25)), fill="white", outline=dark, width=4)
        pen.ellipse(at((-0.5, -0.9), (0.5, 0.1)), fill="white", outline=dark, width=4)
        pen.rectangle(at((-0.4, -1.3), (0.4, -0.8)), fill=ink)
    return image
