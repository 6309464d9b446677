"""A stage runs once for its inputs, and is never seen half done."""

from pathlib import Path

import pytest

from clipheads.bundle.disk.atomic_files import ensure_writable, replacing
from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.errors import AtlasError
from clipheads.stages.engine import run_stage
from clipheads.stages.shards import remove_shards, resume_shards


def test_a_key_depends_on_every_input_but_not_on_the_order_of_names() -> None:
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    assert (
        len({sha256_json("x", 1), sha256_json("x", 2), sha256_json("y", 1), sha256_json("x1")}) == 4
    )


def test_a_stage_runs_again_only_for_another_key_or_a_lost_or_damaged_file(
    tmp_path: Path,
) -> None:
    made: list[str] = []
    notes: list[str] = []

    def run(key: str) -> str:
        def make(scratch: Path) -> None:
            made.append(key)
            (scratch / "out").write_text(key)

        return run_stage(tmp_path, "pass", key, make, note=notes.append)

    assert [run("k1"), run("k1"), run("k2")] == ["built", "unchanged", "built"]
    (tmp_path / "out").unlink()
    assert run("k2") == "built"
    (tmp_path / "out").write_text("k3")
    assert [run("k2"), run("k2")] == ["built", "unchanged"]
    assert made == ["k1", "k2", "k2", "k2"]
    assert notes == [f"{tmp_path / 'out'}: missing or damaged; made again"] * 2


def test_an_interrupted_stage_leaves_the_one_before_it(tmp_path: Path) -> None:
    def good(scratch: Path) -> None:
        (scratch / "out").write_text("first")

    def interrupted(scratch: Path) -> None:
        (scratch / "out").write_text("second")
        raise KeyboardInterrupt

    run_stage(tmp_path, "pass", "first", good)
    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path, "pass", "second", interrupted)
    assert run_stage(tmp_path, "pass", "first", good) == "unchanged"
    assert (tmp_path / "out").read_text() == "first"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "stages.json"}


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
    assert not list(tmp_path.glob(".head-atlas/*"))


@pytest.mark.parametrize("damage", [b"", b"shard 1?"], ids=["empty", "one bit"])
def test_a_damaged_shard_is_made_again(tmp_path: Path, damage: bytes) -> None:
    made: list[int] = []

    def make(index: int, path: Path) -> None:
        made.append(index)
        path.write_text(f"shard {index}.")

    kept = [path for _, path in resume_shards(tmp_path, "pass", "a" * 64, 3, make)]
    kept[1].write_bytes(damage)
    again = [path for _, path in resume_shards(tmp_path, "pass", "a" * 64, 3, make)]
    assert made == [0, 1, 2, 1]
    assert again == kept
    assert [path.read_text() for path in again] == ["shard 0.", "shard 1.", "shard 2."]


def test_shards_of_other_inputs_are_dropped(tmp_path: Path) -> None:
    made: list[int] = []

    def make(index: int, path: Path) -> None:
        made.append(index)
        path.touch()

    list(resume_shards(tmp_path, "pass", "a" * 64, 1, make))
    list(resume_shards(tmp_path, "pass", "b" * 64, 1, make))
    assert made == [0, 0]
    assert len(list(tmp_path.glob(".head-atlas/*"))) == 1


def test_a_hidden_folder_of_somebody_else_is_no_shard(tmp_path: Path) -> None:
    for name in (".pass-notes", ".head-atlas/pass notes"):
        (tmp_path / name).mkdir(parents=True)
    list(resume_shards(tmp_path, "pass", "a" * 64, 1, lambda _index, path: path.touch()))
    remove_shards(tmp_path, "pass")
    assert (tmp_path / ".pass-notes").is_dir()


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AtlasError, match=r"cannot write there .*; choose another folder"):
        ensure_writable(tmp_path / "file" / "atlas")
