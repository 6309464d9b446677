"""`head-atlas train-demo`: train your own demo CLIP."""

from pathlib import Path
from typing import Annotated

import typer

from clipheads.bundle.errors import AtlasError
from headatlas.commands.console import out, progress_for
from headatlas.commands.options import DeviceOption

EXAMPLES = ("head-atlas train-demo --minutes 50",)

MINUTES = 50


def run(
    folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder that receives the model.")
    ] = Path("data/training/demo-clip"),
    work: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder of checkpoints, from which an interrupted run is resumed.",
        ),
    ] = Path("data/training/state"),
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="MINUTES", help=f"Training time; {MINUTES} unless --steps is given."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Training steps instead of a time.")
    ] = None,
    device: DeviceOption = "auto",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the initial weights.")] = 0,
    layers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Layers of the vision transformer; 6 by default."),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Width of its residual stream; 192 by default."),
    ] = None,
    head_width: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Width of each head; 32 by default.")
    ] = None,
    patch_size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Side of a patch in pixels, of 64 of the image; 8 by default."
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Scenes in a batch; 256 by default.")
    ] = None,
) -> None:
    """Train the demo CLIP, or one of another shape, on new scenes."""
    if minutes is not None and steps is not None:
        raise AtlasError("give --minutes or --steps, not both")
    from clipheads.demo_world.clip.training import train_demo_clip

    shape = {
        "layers": layers,
        "width": width,
        "head_width": head_width,
        "patch_size": patch_size,
    }
    train_demo_clip(
        folder,
        work,
        minutes=MINUTES if minutes is None and steps is None else minutes,
        steps=steps,
        device=device,
        seed=seed,
        vision={name: value for name, value in shape.items() if value is not None},
        batch_size=batch_size,
        progress=progress_for(out),
    )
    out.say(f"The model is in {folder}; use it as --model local-dir:{folder}")
