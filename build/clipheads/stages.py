"""Stages of a build: skipped when their inputs are unchanged, never seen half written.

A stage is known by a key, the hash of everything that its output depends on. The keys of
finished stages lie beside the output in `stages.json`. Output is written under a
temporary name and renamed.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from clipheads.errors import AtlasError

LOG = "stages.json"

Outcome = Literal["built", "unchanged"]


def stage_key(*inputs: object) -> str:
    """Return the SHA-256 of `inputs`, which must be plain JSON values."""
    text = json.dumps(inputs, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def run_stage(
    folder: Path, stage: str, key: str, outputs: list[str], make: Callable[[], None]
) -> Outcome:
    """Call `make` unless `stage` was finished in `folder` with this key and its outputs exist.

    The stage counts as unfinished while `make` runs, so that an interrupted one is never
    taken for the one before it.
    """
    if is_finished(folder, stage, key, outputs):
        return "unchanged"
    forget_stage(folder, stage)
    make()
    _write_log(folder, _read_log(folder) | {stage: key})
    return "built"


def forget_stage(folder: Path, stage: str) -> None:
    """Count `stage` as not finished, so that the next build makes it again."""
    log = _read_log(folder)
    if log.pop(stage, None) is not None:
        _write_log(folder, log)


def is_finished(folder: Path, stage: str, key: str, outputs: list[str]) -> bool:
    """Whether `stage` was finished in `folder` with this key and its outputs are there."""
    return _read_log(folder).get(stage) == key and all((folder / name).exists() for name in outputs)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` to write to; take its place when all went well.

    The body may make a file or a folder there. A folder replaces a folder by two renames,
    so a crash between them leaves none, which counts as not finished.
    """
    temporary = target.with_name(f".{target.name}.partial")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            _remove(target)
        temporary.replace(target)
    finally:
        _remove(temporary)


def ensure_writable(folder: Path) -> None:
    """Make `folder` if need be and make sure that files can be written in it.

    Raises:
        AtlasError: if they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise AtlasError(
            f"{folder}: cannot write there ({reason}); choose another folder"
        ) from error


def resume_shards(
    folder: Path, name: str, key: str, count: int, make: Callable[[int, Path], None]
) -> Iterator[tuple[int, Path]]:
    """Make the shards of a long stage that are not there yet, and give all of them in order.

    Shard `i` is the file that `make(i, path)` writes. Shards of the same key left by an
    interrupted run are given without being made again; those of another key are removed.
    Call `remove_shards` when they have been merged.
    """
    home = folder / f".{name}-{key[:16]}"
    for other in folder.glob(f".{name}-*"):
        if other != home:
            _remove(other)
    home.mkdir(exist_ok=True)
    for index in range(count):
        path = home / f"{index:05d}.safetensors"
        if not path.exists():
            with replacing(path) as temporary:
                make(index, temporary)
        yield index, path


def remove_shards(folder: Path, name: str) -> None:
    """Remove all shards of a stage."""
    for home in folder.glob(f".{name}-*"):
        _remove(home)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_log(folder: Path) -> dict[str, str]:
    try:
        log = json.loads((folder / LOG).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return log if isinstance(log, dict) else {}


def _write_log(folder: Path, log: dict[str, str]) -> None:
    with replacing(folder / LOG) as path:
        path.write_text(json.dumps(log, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
