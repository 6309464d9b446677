"""Colours of properties: distinct hues on which text stays readable, in light and in dark."""

import math
from collections import Counter
from collections.abc import Iterable

TINTS = (
    *((20, 1), (290, 1), (0, 2), (90, 2), (220, 0), (70, 1), (270, 2), (80, 0)),
    *((20, 2), (190, 2), (190, 1), (140, 1), (330, 1), (350, 1), (160, 1)),
    *((330, 2), (130, 0), (120, 1), (130, 2), (230, 1), (170, 2), (50, 2), (110, 0), (150, 2)),
)
"""Hue angle in OKLCH, and tone: 0 pale, 1 middle, 2 strong.

Each is of all hues and tones the one that is farthest from those before it (CIEDE2000), as readers
see them whose colour vision is normal, deuteranopic or protanopic (Machado and others, 2009).
"""

FILLS = {
    "light": ((0.93, 0.055), (0.85, 0.095), (0.76, 0.115)),
    "dark": ((0.33, 0.06), (0.41, 0.085), (0.49, 0.095)),
}
"""Lightness and chroma of the fill, by tone."""

SWATCHES = {
    "light": ((0.70, 0.15), (0.58, 0.16), (0.44, 0.14)),
    "dark": ((0.64, 0.13), (0.75, 0.13), (0.87, 0.10)),
}
"""Lightness and chroma of the swatch, likewise."""

INK = {"light": "#17181c", "dark": "#f7f5f0"}
"""Text on the fills."""

COLOURS = len(TINTS)
"""How many there are; with more properties they repeat, and the name in the cell decides."""


def hex_of_oklch(lightness: float, chroma: float, hue: float) -> str:
    """An sRGB colour as `#rrggbb`; chroma is reduced until the colour exists in sRGB."""
    while True:
        a = chroma * math.cos(math.radians(hue))
        b = chroma * math.sin(math.radians(hue))
        l_, m_, s_ = (
            (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3,
            (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3,
            (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3,
        )
        linear = (
            4.0767416621 * l_ - 3.3077115913 * m_ + 0.2309699292 * s_,
            -1.2684380046 * l_ + 2.6097574011 * m_ - 0.3413193965 * s_,
            -0.0041960863 * l_ - 0.7034186147 * m_ + 1.7076147010 * s_,
        )
        if chroma <= 0 or all(-1e-4 <= channel <= 1.0001 for channel in linear):
            break
        chroma = max(0.0, chroma - 0.005)
    encoded = (
        12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055
        for channel in (min(1.0, max(0.0, channel)) for channel in linear)
    )
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in encoded)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two `#rrggbb` colours by WCAG 2, from 1 to 21."""

    def luminance(colour: str) -> float:
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def fill(scheme: str, colour: int) -> str:
    """Background of a cell, for colour 0 to COLOURS − 1 in scheme "light" or "dark"."""
    hue, tone = TINTS[colour]
    return hex_of_oklch(*FILLS[scheme][tone], hue)


def swatch(scheme: str, colour: int) -> str:
    """Strong colour of a dot or a bar, for colour 0 to COLOURS − 1."""
    hue, tone = TINTS[colour]
    return hex_of_oklch(*SWATCHES[scheme][tone], hue)


def assign(slugs: Iterable[str]) -> dict[str, int]:
    """A number for each property, the most frequent first, ties by name.

    The numbers count up from zero; a property's colour is its number modulo COLOURS.
    """
    counts = Counter(slugs)
    ranked = sorted(counts, key=lambda slug: (-counts[slug], slug))
    return {slug: number for number, slug in enumerate(ranked)}


def stylesheet(properties: int) -> str:
    """The CSS classes of `properties` properties.

    `.p0`, `.p1`, … set `--fill` and `--swatch`. `.q0`, `.q1`, … name the properties: in
    a `.atlas` whose radio button `.f3` is checked, every cell that is not `.q3` loses its colour,
    which filters the grid without a script.
    """

    def colours(scheme: str, indent: str) -> str:
        return "".join(
            f"{indent}.p{n} {{ --fill: {fill(scheme, n)}; --swatch: {swatch(scheme, n)}; }}\n"
            for n in range(min(properties, COLOURS))
        )

    fading = ",\n".join(f".atlas:has(.f{n}:checked) td.head:not(.q{n})" for n in range(properties))
    sheet = (
        f":root {{ --on-fill: {INK['light']}; }}\n"
        + colours("light", "")
        + "@media (prefers-color-scheme: dark) {\n"
        + f"  :root {{ --on-fill: {INK['dark']}; }}\n"
        + colours("dark", "  ")
        + "}\n"
    )
    if fading:
        # Quiet, but still to be read: the text keeps its contrast on the page itself.
        sheet += f"{fading} {{ background: none; --on-fill: var(--soft); }}\n"
        bars = ",\n".join(f"{rule} .measure" for rule in fading.split(",\n"))
        sheet += f"{bars} {{ visibility: hidden; }}\n"
        # A label that is pointed at below the picture of all heads shows where it is.
        sheet += "".join(
            f".hero-map:has(.c{n}:is(:hover, :focus-within)) .mosaic a:not(.q{n}) "
            "{ opacity: 0.25; }\n"
            for n in range(properties)
        )
        tiles = ",\n".join(f"{rule} .tile" for rule in fading.split(",\n"))
        sheet += f"{tiles} {{ opacity: 0.3; }}\n"
    return sheet
