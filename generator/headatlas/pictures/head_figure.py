"""A head as a figure for a paper: its label, its descriptions, and the images nearest to each."""

import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from clipheads.bundle.head import DescriptionRecord, HeadRecord

FORMATS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class Layout:
    """What fits into a figure; lengths in inches, as papers measure their columns."""

    width: float
    descriptions: int
    images: int
    """Beside each description."""
    text: float
    """Width of the descriptions; the images have the rest."""
    letters: int
    """In one line of a description."""

    @property
    def side(self) -> float:
        """Of an image with the gap beside it."""
        return (self.width - self.text) / self.images


LAYOUTS = {
    "column": Layout(width=3.25, descriptions=4, images=3, text=1.36, letters=19),
    "page": Layout(width=6.75, descriptions=5, images=6, text=1.9, letters=27),
}
GAP = 0.03
"""Between images, in inches."""
HEADER = 0.24
"""Height of the title, in inches."""
INK, SOFT, BAR = "#111111", "#555555", "#444444"
LINE = 0.115
"""Height of a line of text, in inches."""
PERCENT = 0.3
"""Width of the number beside a bar and of the gap behind it, in inches."""
PIXELS_PER_INCH = 300


def head_figure(
    head: HeadRecord, model: str, picture: Callable[[str], Path], *, layout: Layout, kind: str
) -> bytes:
    """Draw a head: a row for each of its first descriptions, with the share that it explains.

    The bars are grey and nothing is told by colour alone. Fonts are embedded (PDF) or drawn as
    outlines (SVG), and the same head gives the same bytes.

    Args:
        head: its record.
        model: its name.
        picture: the file of a gallery image, by the image's id.
        layout: one of `LAYOUTS`.
        kind: one of `FORMATS`.

    Raises:
        OSError: a picture cannot be read.
    """
    # matplotlib takes a second to import.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.hashsalt": "clip-head-atlas",
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
        "font.family": "sans-serif",
        "font.size": 7,
        "text.color": INK,
    }
    shown = head.descriptions[: layout.descriptions]
    side, height = layout.side, HEADER + layout.side * max(1, len(shown))
    with mpl.rc_context(settings):
        figure = Figure(figsize=(layout.width, height))
        _title(figure, head, model, height)
        largest = max((description.share for description in shown), default=0.0)
        for row, description in enumerate(shown):
            top = height - HEADER - side * row
            _said(figure, description, layout, (top, height), largest)
            for column, neighbour in enumerate(description.neighbours[: layout.images]):
                left = layout.text + side * column
                box = (left + GAP, top - side + GAP, side - GAP, side - GAP)
                _image(figure, picture(neighbour.image), box, (layout.width, height))
        file = io.BytesIO()
        metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
        figure.savefig(file, format=kind, dpi=PIXELS_PER_INCH, metadata=metadata)
    return file.getvalue()


def _title(figure: Any, head: HeadRecord, model: str, height: float) -> None:
    baseline = 1 - 0.14 / height
    figure.text(0, baseline, f"{head.id}  {head.label.text or 'no label'}", weight="bold", size=9)
    note = f"{model}, {100 * head.variance_share:.1f}% of variance"
    figure.text(1, baseline, note, ha="right", color=SOFT)


def _said(
    figure: Any,
    description: DescriptionRecord,
    layout: Layout,
    place: tuple[float, float],
    largest: float,
) -> None:
    """The text of a description, with a bar of its share below it."""
    top, height = place
    lines = textwrap.wrap(description.text, layout.letters, max_lines=3, placeholder=" …")
    figure.text(0, (top - GAP) / height, "\n".join(lines), va="top", linespacing=1.15)
    bottom = top - 2 * GAP - LINE * (len(lines) + 1)
    length = (layout.text - PERCENT) / layout.width
    axes = figure.add_axes((0, bottom / height, length, 0.05 / height))
    axes.set_xlim(0, 1)
    axes.set_axis_off()
    part = max(0.0, description.share) / largest if largest > 0 else 0.0
    axes.barh([0], [1], color="#dddddd")
    axes.barh([0], [part], color=BAR)
    share = f"{100 * description.share:.0f}%"
    figure.text(length + 0.04 / layout.width, bottom / height, share, size=6.5)


def _image(
    figure: Any,
    file: Path,
    box: tuple[float, float, float, float],
    size: tuple[float, float],
) -> None:
    """The centred square of a picture, which is what the model sees, at the figure's resolution."""
    left, bottom, width, height = box
    pixels = round(width * PIXELS_PER_INCH)
    with Image.open(file) as opened:
        square = ImageOps.fit(opened.convert("RGB"), (pixels, pixels), Image.Resampling.LANCZOS)
    axes = figure.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1]))
    axes.imshow(square, interpolation="none")
    axes.set(xticks=(), yticks=())
    # Without a frame a drawing on white has no edge.
    axes.spines[:].set(color="#bbbbbb", linewidth=0.4)
