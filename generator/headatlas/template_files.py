"""Where the templates of pages and the files that they load are."""

from pathlib import Path

from clipheads.bundle.errors import AtlasError

SHEETS = (
    *("colours", "text", "frame", "tables", "measures", "tags", "pictures"),
    *("tiles", "home", "model", "finder", "head", "evidence", "distribution", "profile"),
    *("relatives", "image", "ablation", "directions", "methods", "ground_truth"),
    *("published", "table1", "cite", "data", "embed", "print"),
)
"""The parts of the stylesheet in `static/atlas/`: what all pages share, then kinds of pages.

Of rules that fit an element equally well, that of the later part wins.
"""


def templates_folder() -> Path:
    """The templates: of the installed package, or of the repository it was checked out from."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "templates", here.parents[2] / "templates"):
        if (folder / "page.html").is_file():
            return folder
    raise AtlasError(f"{here.parent}: the templates are missing; reinstall clip-head-atlas")


def atlas_css() -> bytes:
    """The stylesheet of all pages: its parts as one file, loaded in one request."""
    folder = templates_folder() / "static" / "atlas"
    return b"\n".join((folder / f"{name}.css").read_bytes() for name in SHEETS)
