"""What a stage may open: the files and inputs that it declares, and nothing else.

    BASIS = Tensors("basis.safetensors")        a file that one stage writes and others read
    MODEL = Input("model", fingerprint)         what the user gave
    store.tensor(BASIS, "basis")                read, if the stage declares BASIS
    store.write_tensors(BASIS, {"basis": b})    written, if it declares to write BASIS

A stage's key is made from what it declares. So one that opens more would not be made again when
that changes: it is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.disk.owned_files import Made, read_list
from clipheads.bundle.disk.record_files import read_record, write_record
from clipheads.bundle.progress import Advance, Progress
from clipheads.stages.shards import resume_shards

Value = TypeVar("Value")
AnyRecord = TypeVar("AnyRecord", bound=BaseModel)

REMEDY = "run `head-atlas build` again"


class UndeclaredAccessError(AssertionError):
    """A stage opens or writes what it does not declare, or not all that it declares."""

    def __init__(self, stage: str, fault: str, what: str) -> None:
        super().__init__(f"the stage {stage!r} {fault} {what}".rstrip())


@dataclass(frozen=True)
class Input(Generic[Value]):
    """Something that a build is given, such as a model."""

    name: str
    fingerprint: Callable[[Value], object]
    """The part of it that outputs depend on, as plain JSON values."""


@dataclass(frozen=True)
class File:
    """A file that a stage writes, or all files of a pattern such as `heads/*.json`."""

    path: str
    """Below the folder of the bundle, with forward slashes."""
    in_atlas: bool = field(default=False, kw_only=True)
    """Whether it lies below the folder of the atlas instead, for all models."""

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for several files."""
        return "*" in self.path

    def matches(self, path: str) -> bool:
        """Whether `path` is this file, or one of these."""
        return fnmatchcase(path, self.path)


@dataclass(frozen=True)
class Tensors(File):
    """Named tensors as safetensors."""


@dataclass(frozen=True)
class RecordFile(File, Generic[AnyRecord]):
    """A record as JSON."""

    kind: type[AnyRecord]


Readable = Input[Any] | File


class Workspace:
    """One bundle during a run: its folders, its inputs, and what has been read of them so far."""

    def __init__(
        self,
        atlas: Path,
        folder: Path,
        inputs: Mapping[Input[Any], Callable[[], Any]],
        *,
        progress: Progress,
        without: frozenset[str] = frozenset(),
        batch_size: int = 32,
    ) -> None:
        """Start without anything read.

        Args:
            atlas: folder of the gallery and of all bundles.
            folder: of the bundle.
            inputs: how to get each input; called once, when it is first needed.
            progress: notified of stages and steps.
            without: names of optional stages that are left out.
            batch_size: images to hold on the device at once.
        """
        self.atlas = atlas
        self.folder = folder
        self.progress = progress
        self.without = without
        self.batch_size = batch_size
        self.scratch: Path | None = None
        """Where the running stages write, if any."""
        self.pending: dict[str, Made] = {}
        """What they have made that is not published yet."""
        self._inputs = inputs
        self._values: dict[Input[Any], Any] = {}
        self._read: dict[tuple[str, ...], Any] = {}
        self._derived: dict[Callable[..., Any], tuple[Any, set[Readable]]] = {}

    def home(self, file: File) -> Path:
        """The folder that `file` lies below."""
        return self.atlas if file.in_atlas else self.folder

    def locate(self, file: File) -> Path:
        """Where `file` is now: among what is not published yet, or in its folder."""
        if self.scratch is not None and (self.scratch / file.path).is_file():
            return self.scratch / file.path
        return self.home(file) / file.path

    def hashes(self, file: File) -> dict[str, str]:
        """SHA-256 by path of what `file` stands for; empty if its stage is left out."""
        made = read_list(self.home(file)).made | self.pending
        return {
            path: sha
            for maker, outputs in made.items()
            if maker not in self.without
            for path, sha in outputs.files.items()
            if file.matches(path)
        }

    def value(self, wanted: Input[Value]) -> Value:
        """Return an input."""
        if wanted not in self._values:
            self._values[wanted] = self._inputs[wanted]()
        return cast(Value, self._values[wanted])

    def fingerprint(self, wanted: Readable) -> object:
        """What a key holds of an input, or of files."""
        if isinstance(wanted, Input):
            return self.once(
                ("fingerprint", wanted.name), lambda: wanted.fingerprint(self.value(wanted))
            )
        return self.hashes(wanted)

    def once(self, key: tuple[str, ...], make: Callable[[], Value]) -> Value:
        """Return what `make` gave when it was first called for `key`."""
        if key not in self._read:
            self._read[key] = make()
        return cast(Value, self._read[key])

    def derive(
        self, make: Callable[["Store"], Value], store: "Store"
    ) -> tuple[Value, set[Readable]]:
        """Return what `make` reads off the files of a bundle, and what it has opened for it."""
        if make not in self._derived:
            opened: set[Readable] = set()
            self._derived[make] = make(store.watched(opened)), opened
        return self._derived[make]


class Store:
    """A workspace as one stage sees it."""

    def __init__(
        self,
        workspace: Workspace,
        stage: str,
        *,
        key: str,
        reads: frozenset[Readable],
        writes: frozenset[File],
        opened: set[Readable] | None = None,
    ) -> None:
        """Open a workspace for the stage of that name and key, which declares all the rest."""
        self.stage = stage
        self.batch_size = workspace.batch_size
        self._workspace = workspace
        self._key = key
        self._reads = reads
        self._writes = writes
        self._opened: set[Readable] = set() if opened is None else opened

    def watched(self, opened: set[Readable]) -> "Store":
        """The same store, which adds all that is opened through it to `opened`."""
        return Store(
            self._workspace,
            self.stage,
            key=self._key,
            reads=self._reads,
            writes=self._writes,
            opened=opened,
        )

    def get(self, wanted: Input[Value]) -> Value:
        """Return an input.

        Raises:
            UndeclaredAccessError: if the stage does not declare to read it; so do all that follow.
        """
        self._check(wanted)
        return self._workspace.value(wanted)

    def has(self, file: File) -> bool:
        """Whether `file` is part of the bundle: the stage that writes it may be left out."""
        self._check(file)
        return bool(self._workspace.hashes(file))

    def path(self, file: File) -> Path:
        """Where `file` can be read."""
        self._check(file)
        return self._workspace.locate(file)

    def tensor(self, file: Tensors, name: str) -> Tensor:
        """Return one tensor of a file."""
        return self._once(file, name, lambda path: _tensor(path, name))

    def tensors(self, file: Tensors) -> dict[str, Tensor]:
        """Return all tensors of a file, by name."""
        return self._once(file, "*", load_file)

    def record(self, file: RecordFile[AnyRecord]) -> AnyRecord:
        """Return the record that a file holds.

        Raises:
            AtlasError: if it cannot be read.
        """
        return self._once(file, "", lambda path: read_record(path, file.kind, remedy=REMEDY))

    def derived(self, make: Callable[["Store"], Value]) -> Value:
        """Return what `make` reads off this store; several stages can share it."""
        value, opened = self._workspace.derive(make, self)
        for wanted in opened:
            self._check(wanted)
        return value

    def new(self, path: str) -> Path:
        """Where a new file of the stage is to be written."""
        if not any(file.matches(path) for file in self._writes):
            raise UndeclaredAccessError(self.stage, "does not declare to write", path)
        if self._workspace.scratch is None:
            raise UndeclaredAccessError(self.stage, "is not running", "")
        target = self._workspace.scratch / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def write_tensors(self, file: Tensors, tensors: Mapping[str, Tensor]) -> None:
        """Write named tensors."""
        save_tensors(self.new(file.path), tensors)

    def write_record(self, path: str, record: BaseModel) -> None:
        """Write a record as JSON."""
        write_record(self.new(path), record)

    def shards(
        self, count: int, make: Callable[[int, Path], None], *, also: str = ""
    ) -> Iterator[tuple[int, Path]]:
        """Make the shards of a long stage, or go on where an interrupted run left them.

        Args:
            count: of the shards.
            make: writes one; see `resume_shards`.
            also: what shards depend on beside the key of the stage.
        """
        key = sha256_json(self._key, also)
        return resume_shards(self._workspace.folder, self.stage, key, count, make)

    def steps(self, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Show the progress of the stage."""
        return self._workspace.progress.stage(self.stage, total, unit)

    def note(self, message: str) -> None:
        """Say one line to the user."""
        self._workspace.progress.note(message)

    def _once(self, file: File, name: str, read: Callable[[Path], Value]) -> Value:
        self._check(file)
        hashes = self._workspace.hashes(file)
        return self._workspace.once(
            (file.path, hashes.get(file.path, ""), name),
            lambda: read(self._workspace.locate(file)),
        )

    def _check(self, wanted: Readable) -> None:
        self._opened.add(wanted)
        if wanted not in self._reads:
            name = wanted.name if isinstance(wanted, Input) else wanted.path
            raise UndeclaredAccessError(self.stage, "does not declare to read", name)


def _tensor(path: Path, name: str) -> Tensor:
    with safe_open(path, framework="pt") as tensors:
        tensor: Tensor = tensors.get_tensor(name)
        return tensor
