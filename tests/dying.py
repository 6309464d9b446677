"""A process that dies, or a disk that fills, at a chosen change of the file system."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Killed(BaseException):
    """The process is dead: from now on it changes nothing."""


class Changes:
    """Counts changes of the file system, and lets one of them and all later ones fail."""

    def __init__(self, fail_at: int | None = None, *, full_disk: bool = False) -> None:
        self.count = 0
        self._fail_at = fail_at
        self._full_disk = full_disk

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """Look at an event of the interpreter before it happens."""
        writes = (
            event == "open"
            and isinstance(arguments[2], int)
            and bool(arguments[2] & _WRITING)
            and "/dev/" not in str(arguments[0])
        )
        if not (writes or event in CHANGES):
            return
        self.count += 1
        if self._fail_at is None or self.count < self._fail_at:
            return
        if not self._full_disk:
            raise Killed
        # A full disk still lets files be removed.
        if writes or event in {"os.mkdir", "os.rename"}:
            raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))


_watching: list[Changes] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    for changes in _watching:
        changes.audit(event, arguments)


_hooked = False


@contextmanager
def watched(changes: Changes) -> Iterator[Changes]:
    """Count the changes within."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)  # which stays for the life of the process
        _hooked = True
    _watching.append(changes)
    try:
        yield changes
    finally:
        _watching.remove(changes)


def count_changes(work: Callable[[], object]) -> int:
    """How many changes of the file system `work()` makes."""
    with watched(Changes()) as changes:
        work()
    return changes.count
