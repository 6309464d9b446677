"""A folder holds what was there or what is new, never a mixture, and foreign files stay."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from dying import Changes, Killed, count_changes, watched

from clipheads.bundle.disk.owned_files import (
    LIST,
    PROGRAM,
    SCRATCH,
    FileList,
    Made,
    adopt,
    damaged,
    discard,
    made_in,
    publish,
    read_list,
    remove_files,
    remove_scratch,
    scratch_folder,
    settle,
)
from clipheads.bundle.errors import AtlasError
from clipheads.stages.shards import resume_shards


def write(folder: Path, files: dict[str, str], maker: str = "records", key: str = "k") -> None:
    settle(folder)
    with scratch_folder(folder, maker) as scratch:
        for path, text in files.items():
            (scratch / path).parent.mkdir(parents=True, exist_ok=True)
            (scratch / path).write_text(text)
        publish(folder, scratch, {maker: made_in(scratch, key)}, seals=["seal"])


OLD = {"seal": "old", "heads/a": "old a", "heads/b": "old b"}
NEW = {"seal": "new", "heads/b": "new b", "maps/c": "new c"}


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LIST
    }


def test_new_files_take_the_place_of_those_of_the_same_maker(tmp_path: Path) -> None:
    write(tmp_path, {"other": "of another maker"}, maker="other")
    write(tmp_path, OLD)
    write(tmp_path, NEW)
    assert files(tmp_path) == {"other": "of another maker"} | NEW
    listed = read_list(tmp_path)
    assert listed.owned == {"other"} | NEW.keys()
    assert damaged(tmp_path, listed.made["records"]) == []
    (tmp_path / "heads/b").write_text("new?")
    assert damaged(tmp_path, listed.made["records"]) == ["heads/b"]
    assert not (tmp_path / ".head-atlas").exists()


def test_a_foreign_file_is_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads/thesis.docx").write_text("mine")
    write(tmp_path, OLD)
    write(tmp_path, {"seal": "new"})
    assert files(tmp_path) == {"seal": "new", "heads/thesis.docx": "mine"}

    (tmp_path / "heads/a").write_text("mine too")
    before = files(tmp_path)
    with pytest.raises(AtlasError, match=r"heads/a: was not made by head-atlas .*; move it away"):
        write(tmp_path, OLD)
    assert files(tmp_path) == before


def test_a_link_to_a_folder_elsewhere_is_not_followed(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "mine").write_text("mine")
    atlas = tmp_path / "atlas"
    atlas.mkdir()
    (atlas / "heads").symlink_to(photos)
    with pytest.raises(AtlasError, match="heads: not a folder of its own"):
        write(atlas, OLD)
    remove_files(atlas, ["heads/mine"])
    assert files(photos) == {"mine": "mine"}


@pytest.mark.parametrize("path", ["../victim", "/etc/victim", "heads/../../victim", "", "x" * 5000])
def test_a_list_that_names_something_outside_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "victim").write_text("mine")
    atlas = tmp_path / "atlas"
    atlas.mkdir()
    made = {"records": {"key": "k", "files": {path: "0"}}}
    (atlas / LIST).write_text(json.dumps({"program": "clip-head-atlas", "made": made}))
    with pytest.raises(AtlasError, match="damaged, or not made by head-atlas"):
        write(atlas, OLD)
    assert files(tmp_path) == {"victim": "mine"}


def test_a_link_in_place_of_the_hidden_folder_removes_nothing_elsewhere(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    (elsewhere / "records").mkdir(parents=True)
    (elsewhere / "records" / "mine").write_text("mine")
    (folder / SCRATCH).symlink_to(elsewhere)
    with pytest.raises(AtlasError, match="not a folder of its own"):
        write(folder, OLD)
    with pytest.raises(AtlasError, match="not a folder of its own"):
        remove_scratch(folder)
    with pytest.raises(AtlasError, match="not a folder of its own"):
        list(resume_shards(folder, "records", "k" * 64, 1, lambda _index, path: path.touch()))
    assert (elsewhere / "records" / "mine").read_text() == "mine"


@pytest.mark.parametrize("link", ["waiting", "waiting/heads", "heads"])
def test_a_list_of_somebody_else_moves_nothing_through_a_link(tmp_path: Path, link: str) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    for at in (folder / "heads", folder / "waiting" / "heads", elsewhere / "heads"):
        at.mkdir(parents=True)
    for file in (folder / "waiting" / "heads" / "a", elsewhere / "heads" / "a", elsewhere / "a"):
        file.write_text("mine" if file.is_relative_to(elsewhere) else "new")
    shutil.rmtree(folder / link)
    (folder / link).symlink_to(elsewhere)
    listed = FileList(
        program=PROGRAM,
        pending={"records": Made(key=None, files={"heads/a": ""})},
        scratch="waiting",
    )
    (folder / LIST).write_text(listed.model_dump_json())
    with pytest.raises(AtlasError, match="not a folder of its own"):
        settle(folder)
    assert {path.read_text() for path in (elsewhere / "a", elsewhere / "heads" / "a")} == {"mine"}


def test_a_file_that_has_the_name_of_the_list_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / LIST).write_text("{}")
    with pytest.raises(AtlasError, match=f"{LIST}: damaged, or not made by head-atlas"):
        write(tmp_path, OLD)
    assert (tmp_path / LIST).read_text() == "{}"


def test_what_a_maker_made_can_be_discarded(tmp_path: Path) -> None:
    write(tmp_path, {"heads/encoder": "x"}, maker="encoder")
    write(tmp_path, OLD)
    discard(tmp_path, "encoder", seals=["seal"])
    assert files(tmp_path) == {"heads/a": "old a", "heads/b": "old b"}
    assert list(read_list(tmp_path).made) == ["records"]


def test_files_from_before_the_list_are_taken_up(tmp_path: Path) -> None:
    (tmp_path / "seal").write_text("earlier")
    adopt(tmp_path, {"records": Made(key=None, files={"seal": ""})})
    write(tmp_path, NEW)
    assert files(tmp_path) == NEW


def test_a_run_that_dies_at_any_change_leaves_old_or_new_and_the_next_heals(
    tmp_path: Path,
) -> None:
    def fresh(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write(folder, OLD)
        (folder / "heads/thesis.docx").write_text("mine")
        return folder

    mine = {"heads/thesis.docx": "mine"}
    whole = fresh("whole")
    total = count_changes(lambda: write(whole, NEW))
    listed = (whole / LIST).read_bytes()
    assert total > 15
    for at in range(1, total + 1):
        folder = fresh(f"killed-{at}")
        with watched(Changes(at)), pytest.raises(Killed):
            write(folder, NEW)
        seen = {path: text for path, text in files(folder).items() if path[0] != "."}
        if "seal" in seen:
            assert seen in ({**OLD, **mine}, {**NEW, **mine}, {**OLD, **NEW, **mine})
        write(folder, NEW)
        assert files(folder) == NEW | mine
        assert (folder / LIST).read_bytes() == listed


def test_a_disk_that_fills_at_any_change_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    folder.mkdir()
    write(folder, OLD)
    total = count_changes(lambda: write(folder, NEW))
    write(folder, OLD)
    for at in range(1, total + 1):
        # Near the end only the removal of what was moved is left, for which there is room.
        with suppress(OSError), watched(Changes(at, full_disk=True)):
            write(folder, NEW)
        write(folder, OLD)
        assert files(folder) == OLD
