"""`head-atlas serve`: the site in the browser of this computer."""

from pathlib import Path
from typing import Annotated

import typer

from headatlas.commands.console import out
from headatlas.commands.options import SITE

EXAMPLES = ("head-atlas serve --port 8000",)


def run(
    folder: Annotated[
        Path, typer.Option("--dir", metavar="FOLDER", help="Folder of the site.")
    ] = SITE,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 takes a free one.")
    ] = 8000,
) -> None:
    """Serve the site to this computer only, until Ctrl-C."""
    from headatlas.publish.serve import serve

    serve(folder, port, out.say)
