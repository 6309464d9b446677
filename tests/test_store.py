"""A stage opens and writes what it declares, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from clipheads.bundle.disk.owned_files import read_list
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.progress import Silent
from clipheads.stages.atlas import ATLAS
from clipheads.stages.engine import Graph, Stage, after, all_stages, run, run_after
from clipheads.stages.store import (
    File,
    Input,
    Store,
    Tensors,
    UndeclaredAccessError,
    Workspace,
)

NUMBER = Input[int]("number", lambda number: number)
FIRST = Tensors("first.safetensors")
SECOND = Tensors("second.safetensors")
SEAL = File("seal.txt")


def write_first(store: Store) -> None:
    store.write_tensors(FIRST, {"x": torch.full((2,), float(store.get(NUMBER) % 10))})


def write_second(store: Store) -> None:
    store.write_tensors(SECOND, {"y": 2 * store.tensor(FIRST, "x")})


def write_seal(store: Store) -> None:
    store.new(SEAL.path).write_text(str(store.tensor(SECOND, "y").sum().item()))


first = Stage("first", write_first, reads=(NUMBER,), writes=(FIRST,))
second = Stage("second", write_second, reads=(FIRST,), writes=(SECOND,))
seal = Stage("seal", write_seal, reads=(SECOND,), writes=(SEAL,), seals=(SEAL,))


def workspace(folder: Path, number: int = 1, without: frozenset[str] = frozenset()) -> Workspace:
    return Workspace(folder, folder, {NUMBER: lambda: number}, progress=Silent(), without=without)


def run_alone(folder: Path, make: Callable[[Store], None]) -> None:
    """Run a stage after `first` that declares to read and write nothing but its own file."""
    run((first, Stage("other", make, reads=(), writes=(SECOND,))), workspace(folder))


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda store: store.tensor(FIRST, "x"), "read first.safetensors"),
        (lambda store: store.tensors(FIRST), "read first.safetensors"),
        (lambda store: store.path(FIRST), "read first.safetensors"),
        (lambda store: store.has(FIRST), "read first.safetensors"),
        (lambda store: store.get(NUMBER), "read number"),
        (lambda store: store.write_tensors(FIRST, {"x": torch.zeros(1)}), "write first"),
        (lambda store: store.new("elsewhere.txt"), "write elsewhere"),
    ],
)
def test_a_stage_that_opens_what_it_does_not_declare_fails(
    tmp_path: Path, make: Callable[[Store], None], fault: str
) -> None:
    with pytest.raises(UndeclaredAccessError, match=f"'other' does not declare to {fault}"):
        run_alone(tmp_path, make)


def test_what_another_stage_has_read_must_be_declared_too(tmp_path: Path) -> None:
    def total(store: Store) -> float:
        return store.tensor(FIRST, "x").sum().item()

    def declares(store: Store) -> None:
        store.derived(total)
        write_second(store)

    def does_not(store: Store) -> None:
        store.derived(total)

    graph = (
        first,
        Stage("second", declares, reads=(FIRST,), writes=(SECOND,)),
        Stage("third", does_not, reads=(SECOND,), writes=(SEAL,)),
    )
    with pytest.raises(UndeclaredAccessError, match=r"'third' does not declare to read first"):
        run(graph, workspace(tmp_path))


def test_a_stage_writes_all_that_it_declares_and_no_more(tmp_path: Path) -> None:
    def writes_nothing(_store: Store) -> None:
        pass

    def writes_beside(store: Store) -> None:
        write_second(store)
        (store.new(SECOND.path).parent / "beside.txt").touch()

    with pytest.raises(UndeclaredAccessError, match=r"has not written second\.safetensors"):
        run_alone(tmp_path, writes_nothing)
    graph = (first, Stage("second", writes_beside, reads=(FIRST,), writes=(SECOND,)))
    with pytest.raises(UndeclaredAccessError, match=r"does not declare to write beside\.txt"):
        run(graph, workspace(tmp_path))
    assert not (tmp_path / "second.safetensors").exists()


def test_a_stage_is_made_again_where_what_it_reads_has_other_bytes(tmp_path: Path) -> None:
    graph = (first, second, seal)
    assert set(run(graph, workspace(tmp_path)).values()) == {"built"}
    assert set(run(graph, workspace(tmp_path)).values()) == {"unchanged"}
    # Another input, which gives the same bytes.
    outcomes = run(graph, workspace(tmp_path, number=11))
    assert outcomes == {"first": "built", "second": "unchanged", "seal": "unchanged"}
    assert set(run(graph, workspace(tmp_path, number=2)).values()) == {"built"}
    assert (tmp_path / "seal.txt").read_text() == "8.0"


def test_a_seal_is_not_there_while_what_it_stands_for_is_made(tmp_path: Path) -> None:
    def fail(_store: Store) -> None:
        raise KeyboardInterrupt

    run((first, second, seal), workspace(tmp_path))
    broken = Stage("second", fail, reads=(FIRST,), writes=(SECOND,))
    with pytest.raises(KeyboardInterrupt):
        run((first, broken, seal), workspace(tmp_path, number=3))
    assert not (tmp_path / "seal.txt").exists()
    assert run((first, second, seal), workspace(tmp_path, number=3))["seal"] == "built"


def test_stages_of_a_group_appear_at_once(tmp_path: Path) -> None:
    def fail(store: Store) -> None:
        assert store.tensor(SECOND, "y").tolist() == [6.0, 6.0]
        raise KeyboardInterrupt

    run((first, (second, seal)), workspace(tmp_path))
    before = (tmp_path / "second.safetensors").read_bytes()
    broken = Stage("seal", fail, reads=(SECOND,), writes=(SEAL,), seals=(SEAL,))
    with pytest.raises(KeyboardInterrupt):
        run(((second, broken),), changed(tmp_path))
    assert (tmp_path / "second.safetensors").read_bytes() == before
    assert (tmp_path / "seal.txt").read_text() == "4.0"
    run(((second, seal),), changed(tmp_path))
    assert (tmp_path / "seal.txt").read_text() == "12.0"


def changed(folder: Path) -> Workspace:
    """A workspace whose first file is another, while nothing after it has been made again."""
    unsealed = Stage("first", write_first, reads=(NUMBER,), writes=(FIRST,))
    space = workspace(folder, number=3)
    run((unsealed,), space)
    return space


def test_a_part_of_the_graph_runs_over_what_is_there_and_whole(tmp_path: Path) -> None:
    graph: Graph = (first, second, seal)
    with pytest.raises(AtlasError, match=r"first\.safetensors: no such file; run `head-atlas"):
        run_after(graph, second, workspace(tmp_path))
    run(graph, workspace(tmp_path))
    assert list(run_after(graph, second, workspace(tmp_path))) == ["second", "seal"]
    (tmp_path / "first.safetensors").write_bytes(b"other")
    with pytest.raises(AtlasError, match=r"first\.safetensors: missing or damaged; run"):
        run_after(graph, second, workspace(tmp_path))


def test_a_stage_that_is_left_out_leaves_its_key_and_its_files(tmp_path: Path) -> None:
    def either(store: Store) -> None:
        number = store.tensor(SECOND, "y")[0].item() if store.has(SECOND) else -1
        store.new(SEAL.path).write_text(str(number))

    graph = (first, second, Stage("seal", either, reads=(SECOND,), writes=(SEAL,)))
    run(graph, workspace(tmp_path))
    assert (tmp_path / "seal.txt").read_text() == "2.0"
    outcomes = run(graph, workspace(tmp_path, without=frozenset({"second"})))
    assert outcomes == {"first": "unchanged", "seal": "built"}
    assert (tmp_path / "seal.txt").read_text() == "-1"
    assert read_list(tmp_path).made["second"].files
    assert run(graph, workspace(tmp_path))["second"] == "unchanged"


def test_every_file_of_the_atlas_has_one_writer_that_comes_before_its_readers() -> None:
    written: set[File] = set()
    for stage in all_stages(ATLAS):
        files = {file for file in stage.reads if isinstance(file, File)}
        assert files <= written, stage.name
        assert written.isdisjoint(stage.writes), stage.name
        written |= set(stage.writes)


def test_what_depends_on_the_labels_needs_no_input_but_them() -> None:
    labels = next(stage for stage in all_stages(ATLAS) if stage.name == "labels")
    dependent = after(ATLAS, labels)
    assert [stage.name for stage in dependent] == ["labels", "answers", "search", "records"]
    given = {one.name for stage in dependent for one in stage.reads if isinstance(one, Input)}
    assert given == {"labels"}
