"""Stages of a build: skipped when what they read is unchanged, never seen half written.

A stage is a value that says what it reads, with which settings, and what it writes. Its key is the
hash of all that. Key and output are kept in the list of `owned_files`, with a hash of each file, so
that a damaged one is noticed, and a stage is made again exactly where something that it reads has
other bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.disk.owned_files import (
    Made,
    damaged,
    made_in,
    publish,
    read_list,
    scratch_folder,
)
from clipheads.bundle.errors import AtlasError
from clipheads.stages.shards import remove_shards
from clipheads.stages.store import REMEDY, File, Readable, Store, UndeclaredAccessError, Workspace

Outcome = Literal["built", "unchanged"]
Fields = Mapping[str, Any]
"""Fields of a record, by name."""


def _no_heads(_store: Store) -> Iterator[Fields]:
    while True:
        yield {}


def _no_model(_store: Store) -> Fields:
    return {}


@dataclass(frozen=True)
class Part:
    """What an analysis adds to the records of the heads and of the model."""

    reads: tuple[Readable, ...]
    heads: Callable[[Store], Iterable[Fields]] = _no_heads
    """For each head, in order, its fields of `HeadRecord`."""
    model: Callable[[Store], Fields] = _no_model
    """Its fields of `ModelRecord`."""
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One step from inputs and files to other files."""

    name: str
    make: Callable[[Store], None]
    """Writes all that `writes` says, from what `reads` says."""
    reads: tuple[Readable, ...]
    writes: tuple[File, ...]
    settings: tuple[str, ...] = ()
    """Every number that the output depends on: module and name, as in `maths.scores.Z`."""
    version: int = 1
    """Raised when the stage would give other output for the same input and settings."""
    seals: tuple[File, ...] = ()
    """Files by which readers know that this stage and all before it are whole."""
    optional: bool = False
    """Whether a build can leave it out."""
    part: Part | None = None

    def settings_now(self) -> dict[str, object]:
        """The settings with their values, which are plain JSON."""
        return values_of(self.settings)


Graph = Sequence[Stage | tuple[Stage, ...]]
"""Stages in the order in which they run. What the stages of a tuple make appears at once."""


def all_stages(graph: Graph) -> list[Stage]:
    """The stages of a graph, in order."""
    return [stage for group in graph for stage in _group(group)]


def key_of(stage: Stage, workspace: Workspace) -> str:
    """The hash of everything that the output of a stage depends on."""
    read = {_name(readable): workspace.fingerprint(readable) for readable in stage.reads}
    return sha256_json(stage.name, stage.version, stage.settings_now(), read)


def after(graph: Graph, stage: Stage) -> list[Stage]:
    """`stage` and all stages that depend on it, directly or not."""
    found = [stage]
    for later in all_stages(graph):
        if later not in found and any(
            _reads_from(later, earlier) for earlier in found if earlier is not later
        ):
            found.append(later)
    return found


def run(graph: Graph, workspace: Workspace) -> dict[str, Outcome]:
    """Run all stages that are needed, each after what it reads.

    Raises:
        AtlasError: if a file that the project did not make is in the way, or by a stage.
    """
    outcomes: dict[str, Outcome] = {}
    for group in graph:
        stages = [stage for stage in _group(group) if stage.name not in workspace.without]
        if stages:
            outcomes |= _run_together(graph, stages, workspace)
    return outcomes


def run_after(graph: Graph, stage: Stage, workspace: Workspace) -> dict[str, Outcome]:
    """Run `stage` and what depends on it, over what a build has left of the stages before.

    Raises:
        AtlasError: if something that they read is missing or damaged, or as by `run`.
    """
    wanted = after(graph, stage)
    made_here = {file for needed in wanted for file in needed.writes}
    optional = {file for other in all_stages(graph) if other.optional for file in other.writes}
    read = {file for needed in wanted for file in needed.reads if isinstance(file, File)}
    for file in sorted(read, key=lambda file: file.path):
        if file not in made_here:
            _ensure_whole(file, workspace, optional=file in optional)
    part = [
        tuple(member for member in _group(group) if member in wanted)
        for group in graph
        if any(member in wanted for member in _group(group))
    ]
    return run(part, workspace)


def run_stage(
    folder: Path,
    stage: str,
    key: str,
    make: Callable[[Path], None],
    *,
    seals: Sequence[str] = (),
    note: Callable[[str], None] = lambda _message: None,
) -> Outcome:
    """Call `make` unless `stage` was finished in `folder` with this key and its files are whole.

    Args:
        folder: whose list the stage is in.
        stage: its name.
        key: the hash of all that its files depend on.
        make: writes the files of the stage, under the paths that they have below `folder`, into
            the empty folder that it gets. They take the place of the former ones at the end.
        seals: files by which readers know that what depends on this stage is whole. They are
            removed before the new files appear; a seal that the stage makes itself appears last.
        note: receives a message about damaged files.

    Raises:
        AtlasError: if a file that the project did not make is in the way.
    """
    if _is_finished(folder, stage, key, note):
        return "unchanged"
    with scratch_folder(folder, stage) as scratch:
        make(scratch)
        publish(folder, scratch, {stage: made_in(scratch, key)}, seals)
    return "built"


def _run_together(
    graph: Graph, stages: Sequence[Stage], workspace: Workspace
) -> dict[str, Outcome]:
    folder = workspace.home(stages[0].writes[0])
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as stack:
        stack.callback(_forget_pending, workspace)
        for stage in stages:
            key = key_of(stage, workspace)
            outcomes[stage.name] = "unchanged"
            if _is_finished(folder, stage.name, key, workspace.progress.note):
                continue
            outcomes[stage.name] = "built"
            if workspace.scratch is None:
                workspace.scratch = stack.enter_context(scratch_folder(folder, stages[-1].name))
            reads, writes = frozenset(stage.reads), frozenset(stage.writes)
            stage.make(Store(workspace, stage.name, key=key, reads=reads, writes=writes))
            workspace.pending[stage.name] = _made_by(stage, key, workspace)
        if workspace.scratch is not None:
            publish(folder, workspace.scratch, workspace.pending, _seals(graph, workspace))
    for stage in stages:
        remove_shards(folder, stage.name)
    return outcomes


def _forget_pending(workspace: Workspace) -> None:
    workspace.scratch = None
    workspace.pending = {}


def _made_by(stage: Stage, key: str, workspace: Workspace) -> Made:
    """What a stage has made beside the others that run together with it."""
    if workspace.scratch is None:
        raise UndeclaredAccessError(stage.name, "is not running", "")
    others = {path for made in workspace.pending.values() for path in made.files}
    files = made_in(workspace.scratch, key).files
    own = {path: sha for path, sha in files.items() if path not in others}
    for file in stage.writes:
        if not file.is_pattern and file.path not in own:
            raise UndeclaredAccessError(stage.name, "has not written", file.path)
    for path in own:
        if not any(file.matches(path) for file in stage.writes):
            raise UndeclaredAccessError(stage.name, "does not declare to write", path)
    return Made(key=key, files=own)


def _seals(graph: Graph, workspace: Workspace) -> list[str]:
    """The seals of what is pending, and of all that depends on what has other bytes than before."""
    seals: dict[str, None] = {}
    for stage in all_stages(graph):
        if stage.name in workspace.pending:
            listed = read_list(workspace.home(stage.writes[0])).made.get(stage.name)
            same = listed is not None and listed.files == workspace.pending[stage.name].files
            for later in [stage] if same else after(graph, stage):
                seals |= {
                    seal.path: None
                    for seal in later.seals
                    if workspace.home(seal) == workspace.home(stage.writes[0])
                }
    return list(seals)


def _is_finished(folder: Path, stage: str, key: str, note: Callable[[str], None]) -> bool:
    made = read_list(folder).made.get(stage)
    if made is None or made.key != key:
        return False
    broken = damaged(folder, made)
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        note(f"{folder / broken[0]}{more}: missing or damaged; made again")
    return not broken


def _ensure_whole(file: File, workspace: Workspace, *, optional: bool) -> None:
    hashes = workspace.hashes(file)
    if not hashes and not optional:
        raise AtlasError(f"{workspace.locate(file)}: no such file; {REMEDY}")
    for path in damaged(workspace.home(file), Made(key=None, files=hashes)):
        raise AtlasError(f"{workspace.home(file) / path}: missing or damaged; {REMEDY}")


def _reads_from(later: Stage, earlier: Stage) -> bool:
    return not set(earlier.writes).isdisjoint(later.reads)


def _group(group: Stage | tuple[Stage, ...]) -> tuple[Stage, ...]:
    return (group,) if isinstance(group, Stage) else group


def _name(one: Readable) -> str:
    return one.path if isinstance(one, File) else one.name


def values_of(settings: Sequence[str]) -> dict[str, object]:
    """The values of settings that are given as module and name, as in `maths.scores.Z`."""
    return {name: _value(name) for name in settings}


def _value(setting: str) -> object:
    module, attribute = setting.rsplit(".", 1)
    value: object = getattr(import_module(f"clipheads.{module}"), attribute)
    return value
