"""`head-atlas figure`: a head as a figure for a paper."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clipheads.bundle.errors import AtlasError
from headatlas.commands.console import out
from headatlas.commands.options import ATLAS, AtlasOption

EXAMPLES = (
    "head-atlas figure demo-clip/L2.H1 --out L2.H1.pdf",
    "head-atlas figure demo-clip/L2.H1 --out L2.H1.png --width page",
)


class Width(StrEnum):
    """How wide the figure is."""

    COLUMN = "column"
    PAGE = "page"


def run(
    head: Annotated[str, typer.Argument(metavar="MODEL/HEAD", help="Such as demo-clip/L2.H1.")],
    file: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="File to write: .pdf, .svg or .png.")
    ],
    width: Annotated[
        Width, typer.Option(help="Of one column of a paper (3.25 inches), or of the page (6.75).")
    ] = Width.COLUMN,
    atlas: AtlasOption = ATLAS,
) -> None:
    """Draw a head for a paper, as PDF, SVG or PNG.

    It shows the label, the first descriptions, and the images nearest to each.
    """
    from clipheads.bundle.disk.atomic_files import replacing
    from headatlas.atlas_reader import read_atlas
    from headatlas.pictures.head_figure import FORMATS, LAYOUTS, head_figure

    kind = file.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise AtlasError(f"{file}: a figure is a .pdf, .svg or .png file")
    if not file.parent.is_dir():
        raise AtlasError(f"{file.parent}: no such folder; make it, or name another --out")
    model_name, _, identity = head.rpartition("/")
    models = {model.record.name: model for model in read_atlas(atlas).models}
    if model_name not in models:
        raise AtlasError(
            f"{head}: {atlas} has no model of this name; name a head as MODEL/L11.H7, with MODEL "
            f"one of {', '.join(models)}"
        )
    heads = {record.id: record for record in models[model_name].heads}
    if identity not in heads:
        first, last = models[model_name].heads[0].id, models[model_name].heads[-1].id
        raise AtlasError(
            f"{head}: {model_name} has no such head here; it has heads from {first} to {last}"
        )
    drawn = head_figure(
        heads[identity],
        model_name,
        lambda image: atlas / "gallery" / f"{image}.webp",
        layout=LAYOUTS[width],
        kind=kind,
    )
    with replacing(file) as temporary:
        temporary.write_bytes(drawn)
    out.say(f"{file}: {head}, {LAYOUTS[width].width} inches wide")
