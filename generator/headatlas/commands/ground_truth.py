"""`head-atlas ground-truth`: how true the atlas of a model of the demo world is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipheads.bundle.disk.data_files import data_file
from headatlas.commands.console import out, progress_for
from headatlas.commands.options import ATLAS, AtlasOption, DeviceOption

if TYPE_CHECKING:
    from clipheads.bundle.ground_truth import GroundTruthRecord

EXAMPLES = ("head-atlas ground-truth",)


def run(
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="A model of the demo world, local-dir:PATH, with its bundle in the atlas;"
            " the demo CLIP by default.",
        ),
    ] = "",
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the model in the atlas, as in build --name."),
    ] = None,
    device: DeviceOption = "auto",
    atlas: AtlasOption = ATLAS,
) -> None:
    """Measure how true the demo atlas is.

    What moves each head is measured by interventions: one thing of a scene is changed at a time.
    Labels, neighbours and heat maps are compared with it, and with scenes of which everything is
    known.
    """
    from headatlas.commands.ground_truth_report import ground_truth_report

    out.show(ground_truth_report(measure(atlas, device, model, name)))


def measure(
    atlas: Path, device: str, model: str = "", called: str | None = None
) -> "GroundTruthRecord":
    """Write the ground truth of a model's bundle, and return it."""
    from clipheads.bundle.disk.record_files import read_record
    from clipheads.bundle.ground_truth import GroundTruthRecord
    from clipheads.demo_world.truth.ground_truth import write_ground_truth
    from clipheads.model.names import LOCAL_DIR, folder_name

    name = model or f"{LOCAL_DIR}{data_file('demo', 'demo-clip')}"
    bundle = atlas / folder_name(called or Path(name.removeprefix(LOCAL_DIR)).name)
    write_ground_truth(name, bundle, device=device, progress=progress_for(out))
    return read_record(bundle / "ground-truth.json", GroundTruthRecord)
