"""Reads text, CSV and JSON files: what they hold, or one line that says what is wrong and where.

    read_text(path)                        a UTF-8 text
    read_table(path, ("file", "title"))    the rows of a CSV file, each with its line
    read_json(path)                        any JSON value
    read_record(path, GalleryManifest)     a JSON file that a record describes
    write_record(path, manifest)           the same file

Every file that somebody else may have written or damaged is read here. What cannot be read is an
`AtlasError`, or the kind of it that the caller names.
"""

import csv
import io
import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from clipheads.bundle.errors import AtlasError, system_reason

AnyRecord = TypeVar("AnyRecord", bound=BaseModel)

LONGEST_REASON = 200
"""Characters of a reason: what a parser says may quote the file."""


class Row(NamedTuple):
    """A row of a CSV file."""

    line: int
    """The line of the file on which it ends, from one."""
    fields: dict[str, str]
    """By column; a column that the row does not reach is empty."""


def read_text(path: Path, *, error: type[AtlasError] = AtlasError) -> str:
    """Return a text file in UTF-8, without the mark that some editors put before it.

    Raises:
        AtlasError: as `error`, if there is no such file, or it cannot be read as UTF-8.
    """
    try:
        return _bytes(path, error, "").decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(f"{path}: not UTF-8 text (byte {fault.start})") from None


def read_table(
    path: Path, needed: Collection[str], *, error: type[AtlasError] = AtlasError
) -> list[Row]:
    """Return the rows of a CSV file whose first line names its columns, `needed` among them.

    Raises:
        AtlasError: as `error`, if the file cannot be read, a needed column is missing, or a line
            is no CSV or has more fields than columns.
    """
    text = io.StringIO(read_text(path, error=error), newline="")
    # Strict, because a quote that is never closed would swallow all rows after it.
    lines = csv.reader(text, strict=True)
    columns: list[str] = []
    rows = []
    before = 0
    try:
        for fields in lines:
            before = lines.line_num
            if not fields:
                continue
            if not columns:
                columns = [name.strip() for name in fields]
                continue
            # Spreadsheets write as many commas as their widest row needs.
            if any(field.strip() for field in fields[len(columns) :]):
                raise error(
                    f"{path}, line {lines.line_num}: more fields than columns;"
                    " put a text that has a comma in quotes"
                )
            padded = [*fields, *[""] * (len(columns) - len(fields))]
            rows.append(Row(lines.line_num, dict(zip(columns, padded, strict=False))))
    except csv.Error as fault:
        raise error(f"{path}, line {before + 1}: no valid CSV ({fault})") from None
    if not set(needed) <= set(columns):
        noun = "columns" if len(needed) > 1 else "column"
        raise error(f"{path}: the first line must name the {noun} {','.join(needed)}")
    if len(set(columns)) < len(columns):
        raise error(f"{path}: the first line names a column twice: {','.join(columns)[:80]}")
    return rows


def parse_json(text: str, where: str, *, error: type[AtlasError] = AtlasError) -> object:
    """Return the value of a JSON text; `where` is what messages call it.

    Raises:
        AtlasError: as `error`, if it is no JSON, nested too deeply, or an object in it has two
            values of one name.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as fault:
        raise error(f"{where}: no valid JSON ({_short(fault)})") from None


def read_json(path: Path, *, error: type[AtlasError] = AtlasError) -> object:
    """Return the value of a JSON file.

    Raises:
        AtlasError: as `error`, if the file cannot be read or is no JSON.
    """
    return parse_json(read_text(path, error=error), str(path), error=error)


def read_record(
    path: Path,
    kind: type[AnyRecord],
    *,
    remedy: str = "",
    error: type[AtlasError] = AtlasError,
) -> AnyRecord:
    """Return the record that a JSON file holds.

    Args:
        path: the file.
        kind: the record.
        remedy: what the user can do if the file is missing or damaged, such as "run `head-atlas
            build` again"; it ends the message.
        error: what is raised.

    Raises:
        AtlasError: as `error`, if the file cannot be read, is no JSON, or no such record.
    """
    advice = f"; {remedy}" if remedy else ""
    if _is_pipe(path):
        raise error(f"{path}: a pipe, not a file{advice}")
    try:
        return kind.model_validate_json(_bytes(path, error, advice))
    except ValidationError as faults:
        first = faults.errors(include_input=False, include_url=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise error(f"{path}: {_short(where + reason)}{advice}") from None


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record to a JSON file, in which a field has a line of its own."""
    path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in values if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return values


def _is_pipe(path: Path) -> bool:
    """Whether reading `path` would wait for somebody to write to it."""
    with suppress(OSError, ValueError):  # what is wrong with the name is said where it is read
        return path.is_fifo()
    return False


def _bytes(path: Path, error: type[AtlasError], advice: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise error(f"{path}: no such file{advice}") from None
    except (OSError, ValueError) as fault:  # ValueError: no file can have that name
        raise error(f"{path}: cannot be read ({_reason(fault)}){advice}") from None


def _reason(fault: OSError | ValueError) -> str:
    return system_reason(fault) if isinstance(fault, OSError) else _short(fault)


def _short(reason: object) -> str:
    return " ".join(str(reason).split())[:LONGEST_REASON]
