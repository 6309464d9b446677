"""Shards of a long stage: kept when it is interrupted, and not made twice."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from clipheads.bundle.disk.atomic_files import remove, replacing
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.disk.owned_files import hidden_folder


def resume_shards(
    folder: Path, name: str, key: str, count: int, make: Callable[[int, Path], None]
) -> Iterator[tuple[int, Path]]:
    """Make the shards of a long stage that do not exist yet, and give all of them in order.

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
