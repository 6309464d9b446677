"""Paths that stay inside a folder, whatever a record, a download or a link on disk says."""

from pathlib import Path

from clipheads.bundle.errors import AtlasError


def inside(folder: Path, name: str) -> Path:
    """Return `folder / name`, which need not be there.

    Links are followed, and may lead elsewhere within `folder`.

    Raises:
        AtlasError: if that leads out of `folder`.
    """
    path = folder / name
    try:
        contained = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a name with NUL, links in a circle
        contained = False
    if not contained:
        raise AtlasError(f"{path}: leads out of {folder}, so it is neither read nor written")
    return path
