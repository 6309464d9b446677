"""The members of an uncompressed tar file, read where they lie; nothing is unpacked.

A tar file has no table of contents: a header that is damaged, or an end that is missing, would
silently lose all members behind it. Therefore a shard is read as a whole or refused.
"""

import io
import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clipheads.bundle.errors import GalleryError, system_reason

MOST_SHARDS = 100_000

LONGEST_HEADER = 2**20
"""Bytes of a header; a longer one is not read."""

CHUNK = 2**20


@dataclass(frozen=True)
class ShardMember:
    """A file inside an uncompressed tar file: its bytes are stored unchanged."""

    shard: Path
    name: str
    """As the system would name the unpacked file: bytes that are no UTF-8 are surrogates."""
    begin: int
    size: int

    def __str__(self) -> str:
        return f"{self.shard}/{self.name}"


def shards_of(pattern: Path) -> list[Path]:
    """Return the shards that a pattern such as `s-{000..002}.tar` stands for, or the one file.

    >>> [shard.name for shard in shards_of(Path("s-{08..10}.tar"))]
    ['s-08.tar', 's-09.tar', 's-10.tar']

    Raises:
        GalleryError: if a range runs backwards, or the pattern stands for more than 100,000.
    """
    ranges = re.findall(r"\{(\d{1,18})\.\.(\d{1,18})\}", pattern.name)
    count = 1
    for first, last in ranges:
        if int(first) > int(last):
            raise GalleryError(f"{pattern}: the range {{{first}..{last}}} runs backwards")
        count *= int(last) - int(first) + 1
    if count > MOST_SHARDS:
        raise GalleryError(f"{pattern}: stands for {count} shards; at most {MOST_SHARDS} are read")
    names = [pattern.name]
    for first, last in ranges:
        numbers = [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)]
        names = [
            name.replace(f"{{{first}..{last}}}", number, 1) for name in names for number in numbers
        ]
    return [pattern.with_name(name) for name in names]


def shard_members(shard: Path) -> list[tuple[ShardMember, bool]]:
    """List the members of a tar file in its own order, without folders.

    Returns:
        Each member, and whether it is a plain file: not so a link, a device, or a sparse file.

    Raises:
        GalleryError: if the file is missing, no tar file, compressed, damaged or cut off.
    """
    try:
        if shard.exists() and not shard.is_file():
            raise GalleryError(f"{shard}: no regular file, so it cannot be read as a tar file")
        with shard.open("rb") as file:
            members, end = _members(shard, file)
            _check_end(shard, file, end)
    except FileNotFoundError:
        raise GalleryError(f"{shard}: no such shard") from None
    except OSError as error:
        raise GalleryError(f"{shard}: cannot be read ({system_reason(error)})") from error
    # On a nonsensical header tarfile raises more than its own errors.
    except (tarfile.TarError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        why = "it is compressed; unpack it with gunzip" if _is_gzip(shard) else str(error)
        raise GalleryError(f"{shard}: cannot be read as a tar file ({why})") from error
    return members


def opened_member(member: ShardMember) -> io.BufferedReader:
    """Open the bytes of a member as a file of their own."""
    return io.BufferedReader(_Region(member))


def member_bytes(member: ShardMember, most: int) -> bytes:
    """Return the bytes of a member.

    Raises:
        GalleryError: if they are more than `most`.
    """
    if member.size > most:
        raise GalleryError(f"{member}: {member.size} bytes are more than the {most} that are read")
    with opened_member(member) as data:
        return data.read()


class _Headers(io.RawIOBase):
    """A tar file of which only headers of plausible length are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _members(shard: Path, file: BinaryIO) -> tuple[list[tuple[ShardMember, bool]], int]:
    members = []
    position = -1
    with tarfile.open(fileobj=_Headers(file), mode="r:") as tar:
        for entry in tar:
            # A negative size would lead back to where it was read, again and again.
            if entry.size < 0 or tar.offset <= position:
                raise tarfile.ReadError(f"damaged at byte {entry.offset}")
            position = tar.offset
            if not entry.isdir():
                member = ShardMember(shard, entry.name, entry.offset_data, entry.size)
                members.append((member, entry.isreg() and not entry.issparse()))
        return members, tar.offset


def _check_end(shard: Path, file: BinaryIO, end: int) -> None:
    """Make sure that a tar file ends with its mark, a block of zeros, and nothing behind it.

    tarfile takes a damaged header for the end, and a file that is truncated between two members for
    a complete one.
    """
    file.seek(end)
    if len(file.read(tarfile.BLOCKSIZE).rstrip(b"\0")):
        raise GalleryError(f"{shard}: damaged at byte {end}; what follows cannot be read")
    if file.tell() < end + tarfile.BLOCKSIZE:
        raise GalleryError(f"{shard}: cut off at byte {file.tell()}, where more should follow")
    while chunk := file.read(CHUNK):
        if chunk.strip(b"\0"):
            raise GalleryError(
                f"{shard}: more follows behind its end at byte {end}, as where two tar files were "
                "joined; unpack them and pack them as one"
            )


def _is_gzip(shard: Path) -> bool:
    with shard.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


class _Region(io.RawIOBase):
    """The bytes of a member."""

    def __init__(self, member: ShardMember) -> None:
        self._file = member.shard.open("rb", buffering=0)
        self._begin, self._size, self._position = member.begin, member.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        wanted = memoryview(buffer)[: max(0, self._size - self._position)]
        self._file.seek(self._begin + self._position)
        read = self._file.readinto(wanted) or 0
        self._position += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()
