"""Where the templates of pages and the files that they load are."""

from pathlib import Path

from clipheads.bundle.errors import AtlasError


def templates_folder() -> Path:
    """The templates: of the installed package, or of the repository it was checked out from."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "templates", here.parents[2] / "templates"):
        if (folder / "page.html").is_file():
            return folder
    raise AtlasError(f"{here.parent}: the templates are missing; reinstall clip-head-atlas")
