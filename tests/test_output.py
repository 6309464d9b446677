"""Only changed files are written, and only the generator's own are removed."""

import json

import pytest

from clipheads.errors import AtlasError
from headatlas.output import RECORD, Output, read_base_url


def write(folder, files):
    output = Output(folder, None)
    for path, content in files.items():
        output.write(path, content)
    return output.finish()


def test_files_that_no_longer_belong_go_and_those_of_others_stay(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("not the generator's")
    write(tmp_path, {"a/x.html": b"x", "b/c/y.html": b"y", "z.html": b"z"})
    assert write(tmp_path, {"z.html": b"z"}) == 2
    assert not (tmp_path / "a" / "x.html").exists()
    assert not (tmp_path / "b").exists()
    assert (tmp_path / "a" / "mine.txt").read_text() == "not the generator's"
    assert (tmp_path / "z.html").read_bytes() == b"z"


def test_an_unchanged_file_is_not_touched(tmp_path):
    write(tmp_path, {"a.html": b"a", "b.html": b"b"})
    before = (tmp_path / "a.html").stat().st_mtime_ns
    write(tmp_path, {"a.html": b"a", "b.html": b"changed"})
    assert (tmp_path / "a.html").stat().st_mtime_ns == before
    assert (tmp_path / "b.html").read_bytes() == b"changed"


def test_a_derived_file_is_kept_as_long_as_its_key(tmp_path):
    first = Output(tmp_path, None)
    assert not first.unchanged("small.webp", "key")
    first.derive("small.webp", b"picture", "key")
    first.finish()
    second = Output(tmp_path, None)
    assert second.unchanged("small.webp", "key")
    assert not second.unchanged("small.webp", "another key")
    assert second.bytes == len(b"picture")


@pytest.mark.parametrize("path", ["../precious.txt", "/precious.txt", "a/../../precious.txt"])
def test_a_record_that_was_tampered_with_removes_nothing_outside(tmp_path, path):
    precious = tmp_path / "precious.txt"
    precious.write_text("keep")
    site = tmp_path / "site"
    site.mkdir()
    (site / RECORD).write_text(json.dumps({"files": {path: "key"}}))
    write(site, {"index.html": b""})
    assert precious.read_text() == "keep"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"files": 3, "base_url": 4}'])
def test_a_damaged_record_counts_as_none(tmp_path, content):
    (tmp_path / RECORD).write_text(content)
    assert read_base_url(tmp_path) is None
    write(tmp_path, {"index.html": b"new"})
    assert (tmp_path / "index.html").read_bytes() == b"new"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "site").write_text("a file, not a folder")
    with pytest.raises(AtlasError, match="cannot be written") as refused:
        write(tmp_path / "site", {"index.html": b""})
    assert "\n" not in str(refused.value)
