"""`head-atlas site`: the static site from the bundles."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from headatlas.commands.console import out, progress_for
from headatlas.commands.options import ATLAS, SITE, AtlasOption, SiteOption

EXAMPLES = ("head-atlas site --base-url https://example.org/atlas/",)


def run(
    atlas: AtlasOption = ATLAS,
    folder: SiteOption = SITE,
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Public address of the site, for canonical links and the sitemap."
        ),
    ] = None,
    doi: Annotated[
        str | None,
        typer.Option(
            metavar="DOI", help="DOI of the site or of its archive, which all citations then name."
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|URL",
            help="Licence of the site's data, such as CC-BY-4.0; none if not given.",
        ),
    ] = None,
) -> None:
    """Generate the static site from the bundles."""
    generate(atlas, folder, base_url, doi=doi, licence=licence)


def generate(
    atlas: Path,
    folder: Path,
    base_url: str | None = None,
    *,
    doi: str | None = None,
    licence: str | None = None,
) -> None:
    """Generate the site, and say what there is."""
    from headatlas.site import generate_site

    report = generate_site(atlas, folder, base_url, progress_for(out), doi=doi, licence=licence)
    size = report.bytes / 1e6
    out.say(f"{report.pages} pages, {report.files} files, {size:.1f} MB in {folder}")


def advise_site(atlas: Path) -> None:
    """Say how to make the site of an atlas that has just changed."""
    option = "" if atlas == ATLAS else f" --atlas {shlex.quote(str(atlas))}"
    out.say(f"Make the site: head-atlas site{option}")
