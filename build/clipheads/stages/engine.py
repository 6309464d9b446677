"""Stages of a build: skipped when their inputs are unchanged, never seen half written.

A stage is known by a key, the hash of everything that its output depends on. Key and output are
kept in the list of `owned_files`, with a hash of each file, so that a damaged one is noticed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from clipheads.bundle.disk.atomic_files import remove, replacing
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.disk.owned_files import (
    damaged,
    hidden_folder,
    made_in,
    publish,
    read_list,
    scratch_folder,
)

Outcome = Literal["built", "unchanged"]


def run_stage(
    folder: Path,
    stage: str,
    key: str,
    make: Callable[[Path], None],
    *,
    seals: Sequence[str] = (),
    note: Callable[[str], None] = lambda _message: None,
) -> Outcome:
    """Call `make` unless `stage` was finished in `folder` with this key and its files are whole.

    Args:
        folder: whose list the stage is in.
        stage: its name.
        key: the hash of all that its files depend on.
        make: writes the files of the stage, under the paths that they have below `folder`, into
            the empty folder that it gets. They take the place of the former ones at the end.
        seals: files by which readers know that what depends on this stage is whole. They are
            removed before the new files appear; a seal that the stage makes itself appears last.
        note: told which files are damaged.

    Raises:
        AtlasError: if a file that the project did not make is in the way.
    """
    made = read_list(folder).made.get(stage)
    if made is not None and made.key == key:
        broken = damaged(folder, made)
        if not broken:
            return "unchanged"
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        note(f"{folder / broken[0]}{more}: missing or damaged; made again")
    with scratch_folder(folder, stage) as scratch:
        make(scratch)
        publish(folder, scratch, {stage: made_in(scratch, key)}, seals)
    return "built"


def is_finished(folder: Path, stage: str, key: str) -> bool:
    """Whether `stage` was finished in `folder` with this key and its files are whole."""
    made = read_list(folder).made.get(stage)
    return made is not None and made.key == key and not damaged(folder, made)


def resume_shards(
    folder: Path, name: str, key: str, count: int, make: Callable[[int, Path], None]
) -> Iterator[tuple[int, Path]]:
    """Make the shards of a long stage that are not there yet, and give all of them in order.

    Shard `i` is the file that `make(i, path)` writes; its final name holds the hash of its bytes.
    Shards of the same key left by an interrupted run are given without being made again, unless
    they are damaged; those of another key are removed. Call `remove_shards` when they have been
    merged.
    """
    home = hidden_folder(folder) / f"{name} {key[:16]}"
    for other in _shard_folders(folder, name):
        if other != home:
            remove(other)
    home.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        yield index, _whole_shard(home, index) or _make_shard(home, index, make)


def remove_shards(folder: Path, name: str) -> None:
    """Remove all shards of a stage."""
    for home in _shard_folders(folder, name):
        remove(home)


def _whole_shard(home: Path, index: int) -> Path | None:
    for path in home.glob(f"{index:05d}-*.safetensors"):
        if path.stem == f"{index:05d}-{sha256_file(path)}":
            return path
        path.unlink()
    return None


def _make_shard(home: Path, index: int, make: Callable[[int, Path], None]) -> Path:
    fresh = home / f"{index:05d}.safetensors"
    with replacing(fresh) as temporary:
        make(index, temporary)
    path = home / f"{index:05d}-{sha256_file(fresh)}.safetensors"
    fresh.rename(path)
    return path


def _shard_folders(folder: Path, name: str) -> list[Path]:
    pattern = re.compile(re.escape(name) + " [0-9a-f]{16}")
    return [path for path in hidden_folder(folder).glob("*") if pattern.fullmatch(path.name)]
