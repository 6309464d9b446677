"""Writes a site's files: only what changed, and removes only what it once wrote itself."""

import hashlib
import json
from pathlib import Path

from clipheads.containment import inside
from clipheads.errors import AtlasError

RECORD = ".head-atlas.json"
"""Names every file that the generator wrote, with its hash, and the site's base URL."""


class Output:
    """A folder that becomes the site.

    `write` and `derive` put files there; `finish` removes the files of an earlier run that
    were not written again, and leaves everything else in the folder alone.
    """

    def __init__(self, folder: Path, base_url: str | None) -> None:
        self._folder = folder
        self._base_url = base_url
        self._before = read_record(folder)
        self._now: dict[str, str] = {}
        self._folders: set[Path] = set()
        self.bytes = 0

    def write(self, path: str, content: bytes) -> None:
        """Write a file, unless it is there with the same content."""
        self._put(path, content, hashlib.sha256(content).hexdigest())

    def unchanged(self, path: str, key: str) -> bool:
        """Keep the file of an earlier run if it was made from the same `key`."""
        file = self._folder / path
        if self._before.get(path) != key or not file.is_file():
            return False
        self._now[path] = key
        self.bytes += file.stat().st_size
        return True

    def derive(self, path: str, content: bytes, key: str) -> None:
        """Write a file that is known by the `key` of what it was made from."""
        self._put(path, content, key)

    def finish(self) -> int:
        """Remove files that no longer belong and write the record; returns how many went."""
        stale = sorted(set(self._before) - set(self._now))
        try:
            for path in stale:
                file = self._folder / path
                file.unlink(missing_ok=True)
                for parent in file.parents:
                    if parent == self._folder or not parent.is_dir() or any(parent.iterdir()):
                        break
                    parent.rmdir()
            content = {"base_url": self._base_url, "files": dict(sorted(self._now.items()))}
            (self._folder / RECORD).write_text(json.dumps(content, indent=0) + "\n", "utf-8")
        except OSError as error:
            raise _cannot_write(self._folder, error) from None
        return len(stale)

    def _put(self, path: str, content: bytes, key: str) -> None:
        file = inside(self._folder, path)
        try:
            if file.parent not in self._folders:
                file.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(file.parent)
            if not (file.is_file() and file.read_bytes() == content):
                temporary = file.with_name(f".{file.name}.part")
                temporary.write_bytes(content)
                temporary.replace(file)  # a reader never meets half a file
        except OSError as error:
            raise _cannot_write(file, error) from None
        self._now[path] = key
        self.bytes += len(content)


def _cannot_write(path: Path, error: OSError) -> AtlasError:
    return AtlasError(f"{path}: cannot be written ({error.strerror}); choose another --out")


def read_record(folder: Path) -> dict[str, str]:
    """The files that the generator wrote into `folder`, with their keys."""
    files = _read(folder).get("files")
    if not isinstance(files, dict):
        return {}
    # The record may have been edited: a path that leaves the folder must never be removed.
    return {
        path: str(key)
        for path, key in files.items()
        if not path.startswith("/") and ".." not in Path(path).parts
    }


def read_base_url(folder: Path) -> str | None:
    """The base URL that the site in `folder` was generated with."""
    base_url = _read(folder).get("base_url")
    return base_url if isinstance(base_url, str) else None


def _read(folder: Path) -> dict[str, object]:
    try:
        content = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
