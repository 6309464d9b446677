"""Which files of a folder the project made, and the one way in which they change.

    with scratch_folder(folder, "records") as scratch:
        (scratch / "model.json").write_text(...)
        publish(folder, scratch, {"records": made_in(scratch, key)}, seals=["model.json"])

A list in the folder names every file with its maker and its hash. What is not on it is never
overwritten or removed. New files are written whole in a hidden folder and flushed. Then the list
takes them up as pending, and they are moved to where they belong. A run that dies before that
leaves everything as it was; what a run that dies after it has left to do, the next one does first
(`settle`). A reader never sees a mixture: seals, such as `model.json`, go first and come last.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from clipheads.bundle.disk.atomic_files import flush_all, remove, replacing
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.errors import AtlasError

PROGRAM: Final = "clip-head-atlas"
LIST = "stages.json"
SITE_LIST = ".head-atlas.json"
"""The list's name in a folder that is published, where no page has its address."""
SCRATCH = ".head-atlas"
"""Hidden folder of unfinished work; all in it may be removed at any time."""

LONGEST_NAME = 255
"""Bytes of a file's name."""


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\\" in path or ".." in parts or "\0" in path:
        raise ValueError("a path below the folder is expected")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in parts):
        raise ValueError("a name is longer than file systems take")
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]
"""A path below a folder, with forward slashes."""


class Made(BaseModel):
    """What one maker, such as a stage of a build, has made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str | None
    """The hash of what the files depend on; None if they have to be made again."""
    files: dict[RelativePath, str]
    """SHA-256 by path."""


class FileList(BaseModel):
    """`stages.json`: what the project made in a folder, by maker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: Literal["clip-head-atlas"]
    """The owner's mark."""
    made: dict[str, Made] = {}
    pending: dict[str, Made] = {}
    """What is about to take the place of `made`; some of it may have been moved already."""
    seals: list[RelativePath] = []
    """Removed before pending files are moved; those among them are moved last."""
    scratch: RelativePath | None = None
    """Where pending files are."""

    @property
    def owned(self) -> set[str]:
        """All files that are the project's own."""
        return {
            path for made in [*self.made.values(), *self.pending.values()] for path in made.files
        }


def read_list(folder: Path, name: str = LIST) -> FileList:
    """Return the list of a folder, which has that `name`; it is empty if there is none.

    Raises:
        AtlasError: if the file that has its name is another one, or damaged.
    """
    file = folder / name
    try:
        return FileList.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return FileList(program=PROGRAM)
    except (OSError, ValidationError) as error:
        raise AtlasError(
            f"{file}: damaged, or not made by head-atlas; move {folder} away, or choose another "
            "folder"
        ) from error


def hidden_folder(folder: Path) -> Path:
    """Return where the unfinished work of a folder is; it need not be there.

    Raises:
        AtlasError: if that is a link, through which files elsewhere would be removed.
    """
    _refuse_link(folder, SCRATCH)
    return folder / SCRATCH


@contextmanager
def scratch_folder(folder: Path, name: str, listed_in: str = LIST) -> Iterator[Path]:
    """Give an empty hidden folder to write in, which is removed at the end."""
    scratch = hidden_folder(folder) / name
    remove(scratch)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        # What is pending is moved by the next run.
        if not read_list(folder, listed_in).pending:
            remove(scratch)
            _remove_empty(scratch.parent, folder)


def made_in(scratch: Path, key: str | None, kept: Mapping[str, str] | None = None) -> Made:
    """Describe all files in a scratch folder, beside those that are `kept` where they are."""
    files = {
        path.relative_to(scratch).as_posix(): sha256_file(path)
        for path in sorted(scratch.rglob("*"))
        if path.is_file()
    }
    return Made(key=key, files=dict(sorted({**(kept or {}), **files}.items())))


def publish(
    folder: Path,
    scratch: Path,
    changes: Mapping[str, Made],
    seals: Sequence[str] = (),
    listed_in: str = LIST,
) -> None:
    """Let new files take the place of those that the same makers had made.

    Args:
        folder: whose list is changed too.
        scratch: a `scratch_folder` of it that holds the new files under their final paths.
        changes: by maker, all files that it now has; a file that is not in `scratch` stays.
        seals: files by which readers know that all others are whole.
        listed_in: the list's name.

    Raises:
        AtlasError: if a file that the project did not make is in the way; nothing is changed.
    """
    listed = read_list(folder, listed_in)
    new = [path for made in changes.values() for path in made.files]
    refuse_foreign(folder, new, listed.owned)
    flush_all(scratch)
    _write_list(
        folder / listed_in,
        listed.model_copy(
            update={
                "pending": dict(changes),
                "seals": list(seals),
                "scratch": scratch.relative_to(folder).as_posix(),
            }
        ),
    )
    settle(folder, listed_in)


def remove_scratch(folder: Path) -> None:
    """Remove what interrupted runs have left unfinished; nothing may be pending."""
    remove(hidden_folder(folder))


def settle(folder: Path, listed_in: str = LIST) -> None:
    """Finish what an interrupted run had published but not moved, if anything.

    Raises:
        AtlasError: if a file would be moved from or to a folder elsewhere.
    """
    listed = read_list(folder, listed_in)
    if not listed.pending:
        return
    scratch = folder / (listed.scratch or SCRATCH)
    wanted = {path: sha for made in listed.pending.values() for path, sha in made.files.items()}
    ways = [*wanted, *(f"{scratch.relative_to(folder).as_posix()}/{path}" for path in wanted)]
    refuse_foreign(folder, ways, ways)
    waiting = [path for path in wanted if (scratch / path).is_file()]
    lost = [path for path in wanted if path not in waiting and not (folder / path).is_file()]
    made = listed.made | listed.pending
    if lost:
        made |= {
            maker: Made(key=None, files=change.files) for maker, change in listed.pending.items()
        }
    # Not a seal that the interrupted run has moved here itself.
    old = [path for path in listed.seals if path in waiting or path not in wanted]
    remove_files(folder, [path for path in old if path in listed.owned], prune=False)
    for path in sorted(waiting, key=lambda path: (path in listed.seals, path)):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (scratch / path).replace(target)
    finished = FileList(program=PROGRAM, made=dict(sorted(made.items())))
    remove_files(folder, listed.owned - finished.owned)
    _write_list(folder / listed_in, finished)


def discard(folder: Path, maker: str, seals: Sequence[str] = ()) -> None:
    """Remove all that a maker made, and the seals of what depends on it."""
    listed = read_list(folder)
    if maker in listed.made:
        remove_files(folder, [path for path in seals if path in listed.owned], prune=False)
        remove_files(folder, listed.made[maker].files)
        rest = {name: made for name, made in listed.made.items() if name != maker}
        _write_list(folder / LIST, listed.model_copy(update={"made": rest}))


def adopt(folder: Path, made: Mapping[str, Made], listed_in: str = LIST) -> None:
    """Start the list of a folder with files that have been made before there was one."""
    _write_list(folder / listed_in, FileList(program=PROGRAM, made=dict(made)))


def refuse_foreign(folder: Path, paths: Iterable[str], owned: Iterable[str]) -> None:
    """Make sure that files can be written at `paths` below `folder` without harm.

    Raises:
        AtlasError: if something is there that is not among `owned`, or a path leads elsewhere.
    """
    own = set(owned)
    checked: set[Path] = set()
    for path in paths:
        target = folder / path
        if path not in own and os.path.lexists(target):
            raise AtlasError(
                f"{target}: was not made by head-atlas and would be overwritten; move it away, "
                "or choose another folder"
            )
        if target.is_dir():
            raise AtlasError(f"{target}: a folder where a file is to be written; move it away")
        for parent in target.relative_to(folder).parents:
            if parent not in checked:
                checked.add(parent)
                _refuse_link(folder, parent)


def _refuse_link(folder: Path, name: str | Path) -> None:
    path = folder / name
    if os.path.lexists(path) and not (path.is_dir() and path.resolve() == folder.resolve() / name):
        raise AtlasError(f"{path}: not a folder of its own; move it away, or choose another folder")


def remove_files(folder: Path, paths: Iterable[str], *, prune: bool = True) -> None:
    """Remove files of the project's own, and with `prune` the folders that become empty.

    A path that leads out of `folder` by a link is left alone.
    """
    root = folder.resolve()
    for path in sorted(paths):
        file = folder / path
        if file.parent.resolve() != root / PurePosixPath(path).parent:
            continue
        if file.is_file() or file.is_symlink():
            file.unlink()
        if prune:
            _remove_empty(file.parent, folder)


def damaged(folder: Path, made: Made) -> list[str]:
    """The files of `made` that are missing or have other bytes."""
    return [
        path
        for path, sha in made.files.items()
        if not (folder / path).is_file() or sha256_file(folder / path) != sha
    ]


def _write_list(file: Path, listed: FileList) -> None:
    with replacing(file) as path:
        path.write_text(
            listed.model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8"
        )


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove `folder` and what is above it, below `top`, as long as it is empty."""
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
