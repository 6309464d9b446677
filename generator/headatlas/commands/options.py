"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ATLAS = Path("data/atlas")
SITE = Path("site")

AtlasOption = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the bundles.")]
SiteOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the site.")]
DeviceOption = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps, …")
]
