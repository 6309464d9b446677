"""The folder that becomes the site: only what changed is written, foreign files stay.

    with site_output(Path("site")) as output:
        output.write("index.html", b"<!doctype html>…")

A hidden list in the folder names every file of the site with its hash. A run that dies leaves the
former site, or a new one that the next run finishes (`clipheads.bundle.disk.owned_files`).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clipheads.bundle.disk.containment import inside
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import (
    SITE_LIST,
    Made,
    adopt,
    publish,
    read_list,
    scratch_folder,
    settle,
)
from clipheads.bundle.errors import AtlasError, system_reason

MAKER = "site"
RECIPE = "1"
"""Changes when a file is derived in another way from the same source."""


class Output:
    """The files of a site, while they are made."""

    def __init__(self, folder: Path, scratch: Path, before: Made) -> None:
        self._folder = folder
        self._scratch = scratch
        self._before: Mapping[str, str] = before.files
        self._derived_before = before.key == RECIPE
        self._addresses: set[str] = set()
        self.files: dict[str, str] = {}
        """SHA-256 by path from the site's root."""
        self.bytes = 0

    @property
    def removed(self) -> int:
        """How many files of an earlier run no longer belong."""
        return len(self._before.keys() - self.files.keys())

    def write(self, path: str, content: bytes) -> None:
        """Write a file, unless it exists with the same content."""
        digest = hashlib.sha256(content).hexdigest()
        self._add(path, digest, len(content))
        if self._before.get(path) != digest or self._on_disk(path) != digest:
            file = inside(self._scratch, path)
            with cannot_write(self._folder / path):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)

    def keep_derived(self, path: str, source: str, sha256: str) -> bool:
        """Keep `path` of an earlier run if it was made from `source` with this hash."""
        digest = self._before.get(path)
        made_from_it = self._derived_before and self._before.get(source) == sha256
        if digest is None or not made_from_it or self._on_disk(path) != digest:
            return False
        self._add(path, digest, (self._folder / path).stat().st_size)
        return True

    def _add(self, path: str, digest: str, size: int) -> None:
        # Some file systems take names that differ in case for one.
        if path.casefold() in self._addresses:
            raise AtlasError(f"{path}: two files of the site would have this address")
        self._addresses.add(path.casefold())
        self.files[path] = digest
        self.bytes += size

    def _on_disk(self, path: str) -> str | None:
        file = self._folder / path
        try:
            if file.is_symlink():
                return None
            return sha256_file(file)
        except OSError:
            return None


@contextmanager
def site_output(folder: Path) -> Iterator[Output]:
    """Give an `Output` for `folder`; what was written to it becomes the site at the end.

    Raises:
        AtlasError: if the folder cannot be written, another run is in it, or a file that the
            generator did not make would be overwritten; the folder is then what it was.
    """
    with cannot_write(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        with cannot_write(folder):
            _adopt_earlier_site(folder)
            settle(folder, SITE_LIST)
        before = read_list(folder, SITE_LIST).made.get(MAKER, Made(key=None, files={}))
        with ExitStack() as stack:
            with cannot_write(folder):
                scratch = stack.enter_context(scratch_folder(folder, MAKER, SITE_LIST))
            output = Output(folder, scratch, before)
            yield output
            made = Made(key=RECIPE, files=dict(sorted(output.files.items())))
            with cannot_write(folder):
                if made != before or any(scratch.iterdir()):
                    publish(folder, scratch, {MAKER: made}, listed_in=SITE_LIST)


def _adopt_earlier_site(folder: Path) -> None:
    """Take over the list of a site that version 0.1 wrote before `owned_files` was there."""
    try:
        content = json.loads((folder / SITE_LIST).read_bytes())
        if not isinstance(content, dict) or content.keys() != {"base_url", "files"}:
            return
        made = Made(key=None, files=content["files"])
    except (FileNotFoundError, ValueError, RecursionError):  # `read_list` says what is wrong
        return
    adopt(folder, {MAKER: made}, SITE_LIST)


@contextmanager
def cannot_write(path: Path) -> Iterator[None]:
    """Say in one line what could not be written."""
    try:
        yield
    except OSError as error:
        raise AtlasError(
            f"{error.filename or path}: cannot be written ({system_reason(error)});"
            " choose another --out"
        ) from None
