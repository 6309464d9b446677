"""Only changed files are written, only the generator's own are removed, whatever interrupts it."""

import json
from contextlib import suppress

import pytest
from dying import Changes, Killed, count_changes, watched

from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import SITE_LIST, read_list
from clipheads.bundle.errors import AtlasError
from headatlas.publish.output import site_output


def write(folder, files, small=()):
    """Make a site of `files`, and pictures derived from some of them."""
    with site_output(folder) as output:
        for path, content in files.items():
            output.write(path, content)
        for source in small:
            digest = output.files[source]
            if not output.keep_derived(f"small/{source}", source, digest):
                output.write(f"small/{source}", files[source][:1])
    return output


def visible(folder):
    """Every file that is published."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    }


def test_files_that_no_longer_belong_go_and_those_of_others_stay(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("not the generator's")
    write(tmp_path, {"a/x.html": b"x", "b/c/y.html": b"y", "z.html": b"z"})
    assert write(tmp_path, {"z.html": b"z"}).removed == 2
    assert visible(tmp_path) == {"a/mine.txt": b"not the generator's", "z.html": b"z"}
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("path", ["index.html", "assets/atlas.css", "sitemap.xml", "404.html"])
def test_a_foreign_file_is_never_overwritten(tmp_path, path):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("mine")
    before = visible(tmp_path)
    with pytest.raises(AtlasError, match="was not made by head-atlas and would be overwritten"):
        write(tmp_path, {"a.html": b"a", path: b"new"})
    assert visible(tmp_path) == before
    write(tmp_path, {"a.html": b"a"})
    write(tmp_path, {})
    assert visible(tmp_path) == before


def test_an_unchanged_file_is_not_touched(tmp_path):
    write(tmp_path, {"a.html": b"a", "b.html": b"b"})
    before = (tmp_path / "a.html").stat().st_mtime_ns
    write(tmp_path, {"a.html": b"a", "b.html": b"changed"})
    assert (tmp_path / "a.html").stat().st_mtime_ns == before
    assert (tmp_path / "b.html").read_bytes() == b"changed"


def test_a_derived_file_is_kept_as_long_as_its_source(tmp_path):
    write(tmp_path, {"x.webp": b"first"}, small=["x.webp"])
    before = (tmp_path / "small/x.webp").stat().st_mtime_ns
    assert write(tmp_path, {"x.webp": b"first"}, small=["x.webp"]).bytes == len(b"first") + 1
    assert (tmp_path / "small/x.webp").stat().st_mtime_ns == before
    write(tmp_path, {"x.webp": b"second"}, small=["x.webp"])
    assert visible(tmp_path)["small/x.webp"] == b"s"


@pytest.mark.parametrize("path", ["index.html", "x.webp", "small/x.webp"])
@pytest.mark.parametrize("damage", [b"", b"other", None])
def test_a_damaged_file_is_repaired(tmp_path, path, damage):
    files = {"index.html": b"page", "x.webp": b"picture"}
    write(tmp_path, files, small=["x.webp"])
    whole = visible(tmp_path)
    if damage is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_bytes(damage)
    write(tmp_path, files, small=["x.webp"])
    assert visible(tmp_path) == whole


OLD = {"index.html": b"old", "x.webp": b"picture", "old.html": b"gone", "d/e.html": b"e"}
NEW = {"index.html": b"new", "x.webp": b"other", "d/f.html": b"f", "d/e.html": b"e"}


def everything(folder):
    """Every file, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("full_disk", [False, True])
def test_a_site_that_dies_anywhere_is_healed_by_the_next_run(tmp_path, full_disk):
    def prepare(name):
        write(tmp_path / name, OLD, small=["x.webp"])
        return tmp_path / name

    whole = prepare("whole")
    changes = count_changes(lambda: write(whole, NEW, small=["x.webp"]))
    assert changes > 10
    for fail_at in range(1, changes + 1):
        folder = prepare(f"at-{fail_at}")
        (folder / "mine.txt").write_text("mine")
        dying = Changes(fail_at, full_disk=full_disk)
        with watched(dying), suppress(Killed, AtlasError):
            write(folder, NEW, small=["x.webp"])
        for path, content in visible(folder).items():
            assert content in (OLD.get(path), NEW.get(path), b"p", b"o", b"mine")
        write(folder, NEW, small=["x.webp"])
        assert everything(folder) == everything(whole) | {"mine.txt": b"mine"}
        assert not (folder / ".head-atlas").exists()


@pytest.mark.parametrize("full_disk", [False, True])
def test_after_a_run_that_died_the_former_site_can_be_made_again(tmp_path, full_disk):
    whole = tmp_path / "whole"
    write(whole, OLD, small=["x.webp"])
    changes = count_changes(lambda: write(tmp_path / "count", NEW, small=["x.webp"]))
    for fail_at in range(1, changes + 1, 3):
        folder = tmp_path / f"at-{fail_at}"
        write(folder, OLD, small=["x.webp"])
        with watched(Changes(fail_at, full_disk=full_disk)), suppress(Killed, AtlasError):
            write(folder, NEW, small=["x.webp"])
        write(folder, OLD, small=["x.webp"])
        assert everything(folder) == everything(whole)


@pytest.mark.parametrize(
    "path", ["../precious.txt", "/precious.txt", "a/../../precious.txt", "", "x" * 5000]
)
def test_a_list_that_was_tampered_with_removes_nothing_outside(tmp_path, path):
    precious = tmp_path / "precious.txt"
    precious.write_text("keep")
    site = tmp_path / "site"
    write(site, {"index.html": b""})
    content = json.loads((site / SITE_LIST).read_text())
    content["made"]["site"]["files"][path] = "0" * 64
    (site / SITE_LIST).write_text(json.dumps(content))
    with suppress(AtlasError):
        write(site, {"index.html": b""})
    assert precious.read_text() == "keep"


def test_a_folder_that_became_a_link_is_neither_emptied_nor_written_through(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.html").write_text("keep")
    site = tmp_path / "site"
    write(site, {"d/x.html": b"x", "index.html": b""})
    (site / "d" / "x.html").unlink()
    (site / "d").rmdir()
    (site / "d").symlink_to(outside)
    with pytest.raises(AtlasError, match="not a folder of its own"):
        write(site, {"d/x.html": b"new", "index.html": b""})
    write(site, {"index.html": b""})
    assert (outside / "x.html").read_text() == "keep"


@pytest.mark.parametrize("path", ["../x.html", "/x.html", "a/../../x.html"])
def test_nothing_is_written_outside(tmp_path, path):
    with pytest.raises(AtlasError, match="leads out of"):
        write(tmp_path / "site", {path: b"x"})
    assert not (tmp_path / "x.html").exists()


def test_two_files_with_one_address_are_refused(tmp_path):
    with pytest.raises(AtlasError, match=r"A\.html: two files"):
        write(tmp_path, {"a.html": b"a", "A.html": b"b"})


@pytest.mark.parametrize("content", ["", "[]", "{", '{"files": 3, "base_url": 4}', "[" * 100_000])
def test_a_damaged_list_is_one_line(tmp_path, content):
    (tmp_path / SITE_LIST).write_text(content)
    with pytest.raises(AtlasError, match=r"damaged, or not made by head-atlas; move .* away"):
        write(tmp_path, {"index.html": b"new"})
    assert not (tmp_path / "index.html").exists()


def test_the_list_of_an_earlier_version_is_taken_over(tmp_path):
    (tmp_path / "index.html").write_text("old")
    (tmp_path / "gone.html").write_text("old")
    earlier = {"base_url": None, "files": {"index.html": "key", "gone.html": "key"}}
    (tmp_path / SITE_LIST).write_text(json.dumps(earlier))
    write(tmp_path, {"index.html": b"new"})
    assert visible(tmp_path) == {"index.html": b"new"}
    assert read_list(tmp_path, SITE_LIST).owned == {"index.html"}


def test_two_runs_in_one_folder_do_not_meet(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(AtlasError, match="in use by another run of head-atlas"),
        site_output(tmp_path),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "site").write_text("a file, not a folder")
    with pytest.raises(AtlasError, match="cannot be written") as refused:
        write(tmp_path / "site", {"index.html": b""})
    assert "\n" not in str(refused.value)
