"""The image files below a folder, and what is passed over on the way."""

import os
from collections.abc import Container
from pathlib import Path

from clipheads.bundle.errors import system_reason
from clipheads.bundle.gallery import SkippedImage
from clipheads.gallery.shown_names import shown


def files_below(
    folder: Path, suffixes: Container[str], exclude: Path | None = None
) -> tuple[list[Path], list[SkippedImage]]:
    """Find the files with one of `suffixes` in a folder and its subfolders, in order.

    Hidden files and everything under `exclude` are passed over in silence.

    Returns:
        The files, and links, folders and special files that were not followed or opened.

    Raises:
        OSError: if the folder itself cannot be read.
    """
    excluded = exclude.resolve() if exclude is not None else None
    paths: list[Path] = []
    skipped: list[SkippedImage] = []

    def skip(path: Path, reason: str) -> None:
        name = shown(path.relative_to(folder).as_posix())
        skipped.append(SkippedImage(file=name, reason=reason))

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        skip(Path(error.filename), f"a folder that cannot be read ({system_reason(error)})")

    for root, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(root)
        if excluded is not None and here.resolve() == excluded:
            folders.clear()
            continue
        if here != folder and _is_ours(here):
            skip(here, "a folder that head-atlas made; name it as the gallery to take its images")
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if (here / name).is_symlink():
                skip(here / name, "a link to a folder, which is not followed")
        for name in names:
            if name.startswith(".") or Path(name).suffix.lower() not in suffixes:
                continue
            path = here / name
            if path.is_file():
                paths.append(path)
            elif not path.exists():
                skip(path, "a link that leads nowhere")
            else:  # a pipe or a device would block forever
                skip(path, "not a regular file")
    return sorted(paths), sorted(skipped, key=lambda image: image.file)


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a site or an atlas, whose pictures are copies of a gallery's."""
    if (folder / ".head-atlas.json").is_file():
        return True
    try:
        with (folder / "stages.json").open("rb") as file:
            return b"clip-head-atlas" in file.read(4096)
    except OSError:
        return False
