"""`head-atlas demo`: from nothing to a site, without a download."""

from pathlib import Path
from typing import Annotated

import typer

from clipheads.bundle.disk.data_files import data_file
from headatlas.commands.build import build_bundle, relate
from headatlas.commands.console import out, progress_for
from headatlas.commands.ground_truth import measure
from headatlas.commands.options import ATLAS, SITE, AtlasOption, DeviceOption, SiteOption
from headatlas.commands.site import generate

EXAMPLES = ("head-atlas demo",)

DEMO_PROFILED_IMAGES = 96
"""Images of the demo's profile: enough for every head that stands out at 256, in less time."""


def run(
    atlas: AtlasOption = ATLAS,
    site: SiteOption = SITE,
    gallery: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder in which the scenes are drawn.")
    ] = Path("data/demo-gallery"),
    device: DeviceOption = "auto",
) -> None:
    """Draw the images of the demo, build its atlas and its site."""
    from clipheads.demo_world.world.gallery import write_demo_gallery

    progress = progress_for(out)
    if not write_demo_gallery(gallery, progress):
        progress.note(f"{gallery}: unchanged")
    build_bundle(
        f"local-dir:{data_file('demo', 'demo-clip')}",
        gallery=gallery,
        atlas=atlas,
        device=device,
        descriptions=data_file("demo", "descriptions.csv"),
        topics=data_file("demo", "topics.csv"),
        contrasts=data_file("demo", "contrasts.csv"),
        profile=DEMO_PROFILED_IMAGES,
        words=data_file("demo", "words.csv"),
        export_text_encoder=True,
        export_image_encoder=True,
    )
    relate(atlas)
    measure(atlas, device)
    generate(atlas, site, licence="MIT")  # that of the project, whose images these are
    folder = "" if site == SITE else f" --dir {site}"
    out.say(f"Look at it: open {site / 'index.html'}, or run head-atlas serve{folder}")
