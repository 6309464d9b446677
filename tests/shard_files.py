"""Writes tar shards for tests, and what should come out of them."""

import io
import tarfile
from pathlib import Path


def pack(shard: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(shard, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return shard


def images_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}
