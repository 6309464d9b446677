"""One run at a time in a folder: a lock that the death of its holder sets free."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from clipheads.bundle.errors import AtlasError, system_reason

LOCK = ".head-atlas.lock"
"""An empty file that stays; what counts is whether a running process holds it."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other run out of `folder`, which must exist.

    Args:
        folder: an atlas, a site, or a gallery that is drawn.

    Raises:
        AtlasError: if another run is in it, or the lock cannot be made.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise AtlasError(
            f"{folder}: in use by another run of head-atlas; wait until it has ended, or "
            "choose another folder"
        ) from None
    except OSError as error:
        raise AtlasError(
            f"{folder}: cannot be locked ({system_reason(error)}); choose another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
