"""Colours of a model's grid by a number: cells shaded in ten steps, chosen without a script.

A cell carries a class for each metric and its step, such as `ka7`; an option of the page that is
chosen, `.ka:checked`, gives the cells of its metric their colours.
"""

import string
from collections.abc import Sequence

from headatlas.pictures.palette import contrast, hex_of_oklch
from headatlas.pictures.scatter import axis

LETTERS = string.ascii_letters
"""One for each metric of a model that a grid can be coloured by."""
STEPS = 9
"""The highest step; the lowest is 0."""
HUE = 215
LIGHTNESS = {"light": (0.955, 0.36), "dark": (0.27, 0.86)}
"""Of the lowest and the highest step."""
CHROMA = (0.012, 0.085)
INKS = ("#ffffff", "#0d0e11")
"""Text on a step has the one of these that reads better."""


def shade(scheme: str, step: int) -> str:
    """The colour of a step in scheme "light" or "dark"."""
    at = step / STEPS
    low, high = LIGHTNESS[scheme]
    return hex_of_oklch(low + at * (high - low), CHROMA[0] + at * (CHROMA[1] - CHROMA[0]), HUE)


def ink(scheme: str, step: int) -> str:
    """The colour of text on a step."""
    return max(INKS, key=lambda colour: contrast(colour, shade(scheme, step)))


def steps(values: Sequence[float | None]) -> tuple[int | None, ...]:
    """The step of each value, at least one of which is there: its position on their axis."""
    scale = axis([value for value in values if value is not None])
    return tuple(None if value is None else round(STEPS * scale.at(value)) for value in values)


def stylesheet(metrics: int) -> str:
    """The rules for grids that can be coloured by so many metrics."""

    def variables(scheme: str) -> str:
        return " ".join(
            f"--k{step}: {shade(scheme, step)}; --on-k{step}: {ink(scheme, step)};"
            for step in range(STEPS + 1)
        )

    sheet = (
        f".atlas {{ {variables('light')} }}\n"
        f"@media (prefers-color-scheme: dark) {{ .atlas {{ {variables('dark')} }} }}\n"
    )
    for letter in LETTERS[:metrics]:
        chosen = f".atlas:has(.k{letter}:checked)"
        sheet += f"{chosen} .head {{ --fill: transparent; --on-fill: var(--soft); }}\n"
        sheet += f"{chosen} .scale-of-{letter} {{ display: block; }}\n"
        sheet += "".join(
            f"{chosen} .k{letter}{step} {{ --fill: var(--k{step}); "
            f"--on-fill: var(--on-k{step}); }}\n"
            for step in range(STEPS + 1)
        )
    return sheet
