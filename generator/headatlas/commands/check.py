"""`head-atlas check`: what is broken in a site."""

from pathlib import Path
from typing import Annotated

import typer

from headatlas.commands.console import out
from headatlas.commands.options import SITE

EXAMPLES = ("head-atlas check site",)


def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the site.")] = SITE,
) -> None:
    """Find broken links, invalid HTML and heavy pages of a site.

    Links and anchors must lead somewhere, and every file that a page loads must be there.
    """
    from headatlas.publish.check import check_site

    problems = check_site(folder)
    for problem in problems:
        out.say(f"{problem.page}: {problem.message}")
    if problems:
        raise typer.Exit(1)
    out.say(f"{folder}: no problems")
