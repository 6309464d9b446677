"""Replace a file atomically: readers never see a partial file, not even after a power cut."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from clipheads.bundle.errors import AtlasError, system_reason


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` to write to; it takes the target's name at the end.

    The file is flushed to the disk before it is renamed. If the body fails, the target stays
    what it was.

    >>> from tempfile import mkdtemp
    >>> numbers = Path(mkdtemp()) / "numbers.txt"
    >>> with replacing(numbers) as path:
    ...     _ = path.write_text("1 2 3")
    >>> numbers.read_text()
    '1 2 3'
    """
    temporary = temporary_path(target)
    remove(temporary)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(target)
        flush(target.parent)
    finally:
        remove(temporary)


def temporary_path(target: Path) -> Path:
    """The name that a file has while it is being written."""
    return target.with_name(f".{target.name}.partial")


def flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    if path.is_dir():
        # Some systems cannot flush a folder; a name that is lost there is made again.
        with suppress(OSError):
            _fsync(path, os.O_RDONLY)
    else:
        _fsync(path, os.O_RDWR)


def flush_all(folder: Path) -> None:
    """Flush every file below `folder`; many at once, for the disk joins what it is to write."""
    with ThreadPoolExecutor(16) as executor:
        list(executor.map(flush, (path for path in folder.rglob("*") if path.is_file())))


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure_writable(folder: Path) -> None:
    """Make `folder` if need be and make sure that files can be written in it.

    Raises:
        AtlasError: if they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise AtlasError(
            f"{folder}: cannot write there ({system_reason(error)}); choose another folder"
        ) from error
