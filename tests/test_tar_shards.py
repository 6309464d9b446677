"""A shard is read whole or refused, whatever its bytes say, in bounded time and memory."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipheads.bundle.errors import GalleryError
from clipheads.gallery.tar_shards import member_bytes, opened_member, shard_members, shards_of

BLOCK = tarfile.BLOCKSIZE
DATA = {"a.png": b"A" * 700, "b.png": b"B" * 10, "c/d.png": b"C" * 1024}


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for name, data in DATA.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return tmp_path / "s.tar"


def refusal(shard: Path) -> str:
    with pytest.raises(GalleryError) as caught:
        shard_members(shard)
    assert str(caught.value).startswith(f"{shard}: ")
    return str(caught.value)


def test_members_are_read_where_they_lie(shard: Path) -> None:
    found = {member.name: member_bytes(member, 2000) for member, _ in shard_members(shard)}
    assert found == DATA
    member = shard_members(shard)[0][0]
    with opened_member(member) as data:
        assert data.seek(-3, os.SEEK_END) == 697
        assert data.read(100) == b"AAA"
        assert data.read() == b""
    with pytest.raises(GalleryError, match="700 bytes are more than the 699"):
        member_bytes(member, 699)


def test_a_shard_cut_between_two_members_is_refused(shard: Path) -> None:
    """The members that are left make a file that tarfile takes for whole."""
    begins = [member.begin - BLOCK for member, _ in shard_members(shard)]
    whole = shard.read_bytes()
    for begin in begins[1:]:
        shard.write_bytes(whole[:begin])
        assert "cut off at byte" in refusal(shard)


def test_two_shards_joined_are_refused(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes() * 2)
    assert "more follows behind its end" in refusal(shard)


def test_a_lone_block_of_zeros_ends_a_shard(shard: Path) -> None:
    last = shard_members(shard)[-1][0]
    shard.write_bytes(shard.read_bytes()[: last.begin + last.size + BLOCK])
    assert len(shard_members(shard)) == 3


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.tar")
    assert "no regular file" in refusal(tmp_path / "p.tar")


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header whose size is any number, as tar writes large and negative ones."""
    entry = tarfile.TarInfo(name)
    entry.type = kind
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (
        size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    )
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize("size", [-BLOCK, -2 * BLOCK, 50 * 2**30])
def test_a_size_that_cannot_be_ends_in_a_refusal(tmp_path: Path, size: int, kind: bytes) -> None:
    shard = tmp_path / "s.tar"
    shard.write_bytes(header("a.png", 0) + header("b.png", size, kind) + bytes(4 * BLOCK))
    refusal(shard)


def test_a_member_of_fifty_gigabytes_of_nothing_is_not_held_in_memory(tmp_path: Path) -> None:
    size = 50 * 2**30
    with (tmp_path / "s.tar").open("wb") as file:
        file.write(header("a.json", size))
        file.truncate(BLOCK + size + 2 * BLOCK)
    ((member, plain),) = shard_members(tmp_path / "s.tar")
    assert plain
    with pytest.raises(GalleryError, match="bytes are more than"):
        member_bytes(member, 2**20)


@pytest.mark.parametrize("pattern", ["{0..999999999999}.tar", "{0..999}{0..999}.tar"])
def test_a_range_is_bounded(pattern: str) -> None:
    with pytest.raises(GalleryError, match="shards; at most 100000 are read"):
        shards_of(Path(pattern))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6 * BLOCK - 1), st.binary(min_size=1, max_size=12)), max_size=4
    ),
    st.integers(0, 20 * BLOCK),
)
def test_whatever_is_damaged_a_shard_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, bytes]], length: int
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("é" * 60, "b.png"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
    data = bytearray(buffer.getvalue())
    for place, some in damage:
        data[place : place + len(some)] = some
    shard = tmp_path_factory.getbasetemp() / "fuzzed.tar"
    shard.write_bytes(data[:length])
    try:
        members = shard_members(shard)
    except GalleryError as error:
        members = []
        lines = str(error).splitlines()
        assert len(lines) == 1
    for member, _ in members:
        assert member.begin + member.size <= length
