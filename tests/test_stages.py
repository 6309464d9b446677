"""A stage runs once for its inputs, and is never seen half done."""

from pathlib import Path

import pytest

from clipheads.errors import AtlasError
from clipheads.stages import (
    ensure_writable,
    remove_shards,
    replacing,
    resume_shards,
    run_stage,
    stage_key,
)


def test_a_key_depends_on_every_input_but_not_on_the_order_of_names() -> None:
    assert stage_key({"a": 1, "b": 2}) == stage_key({"b": 2, "a": 1})
    assert len({stage_key("x", 1), stage_key("x", 2), stage_key("y", 1), stage_key("x1")}) == 4


def test_a_stage_runs_again_only_for_another_key_or_a_lost_output(tmp_path: Path) -> None:
    made: list[str] = []

    def run(key: str) -> str:
        def make() -> None:
            made.append(key)
            (tmp_path / "out").write_text(key)

        return run_stage(tmp_path, "pass", key, ["out"], make)

    assert [run("k1"), run("k1"), run("k2")] == ["built", "unchanged", "built"]
    (tmp_path / "out").unlink()
    assert run("k2") == "built"
    assert made == ["k1", "k2", "k2"]


def test_an_interrupted_stage_is_not_taken_for_the_one_before_it(tmp_path: Path) -> None:
    def good() -> None:
        (tmp_path / "out").write_text("first")

    def interrupted() -> None:
        (tmp_path / "out").write_text("second")
        raise KeyboardInterrupt

    run_stage(tmp_path, "pass", "first", ["out"], good)
    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path, "pass", "second", ["out"], interrupted)
    assert run_stage(tmp_path, "pass", "first", ["out"], good) == "built"
    assert (tmp_path / "out").read_text() == "first"


def test_a_damaged_log_counts_as_nothing_done(tmp_path: Path) -> None:
    (tmp_path / "stages.json").write_text("{")
    assert run_stage(tmp_path, "pass", "key", [], lambda: None) == "built"
    assert run_stage(tmp_path, "pass", "key", [], lambda: None) == "unchanged"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("old", "new"):
        with replacing(target) as path:
            path.mkdir()
            (path / name).touch()
    assert [file.name for file in target.iterdir()] == ["new"]


def test_shards_of_an_interrupted_run_are_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []
    interrupted: list[int] = []

    def make(index: int, path: Path) -> None:
        if index == 2 and not interrupted:
            interrupted.append(index)
            raise KeyboardInterrupt
        made.append(index)
        path.write_text(str(index))

    with pytest.raises(KeyboardInterrupt):
        list(resume_shards(tmp_path, "pass", "a" * 64, 4, make))
    shards = list(resume_shards(tmp_path, "pass", "a" * 64, 4, make))
    assert made == [0, 1, 2, 3]
    assert [path.read_text() for _, path in shards] == ["0", "1", "2", "3"]
    remove_shards(tmp_path, "pass")
    assert not list(tmp_path.iterdir())


def test_shards_of_other_inputs_are_dropped(tmp_path: Path) -> None:
    made: list[int] = []

    def make(index: int, path: Path) -> None:
        made.append(index)
        path.touch()

    list(resume_shards(tmp_path, "pass", "a" * 64, 1, make))
    list(resume_shards(tmp_path, "pass", "b" * 64, 1, make))
    assert made == [0, 0]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AtlasError, match=r"cannot write there .*; choose another folder"):
        ensure_writable(tmp_path / "file" / "atlas")
