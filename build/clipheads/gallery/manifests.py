"""Manifests of galleries: what a CSV or JSON Lines file says of each image."""

from collections.abc import Mapping
from pathlib import Path

from clipheads.bundle.disk.record_files import parse_json, read_table, read_text
from clipheads.bundle.errors import GalleryError
from clipheads.gallery.found import Details

FIELDS = ("title", "credit", "licence", "source")
SUFFIXES = frozenset({".csv", ".jsonl"})


def read_manifest(path: Path) -> Details:
    """Read a manifest in its own order: `file` and, where given, `FIELDS` of each image.

    Raises:
        GalleryError: if it cannot be read, a row has no `file`, or a file is listed twice.
    """
    return _read_csv(path) if path.suffix.lower() == ".csv" else _read_jsonl(path)


def details_of(row: Mapping[str, str]) -> dict[str, str]:
    """Keep what is said of an image, as text that JSON can hold."""
    return {
        field: value.strip().encode("utf-8", "replace").decode()
        for field, value in row.items()
        if field in FIELDS
    }


def _read_csv(path: Path) -> Details:
    details: Details = {}
    for row in read_table(path, ("file",), error=GalleryError):
        _add(details, row.fields["file"], row.fields, f"{path}, line {row.line}")
    return details


def _read_jsonl(path: Path) -> Details:
    details: Details = {}
    # Not `splitlines`: JSON may hold other separators, such as U+2028, as they are.
    lines = read_text(path, error=GalleryError).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        row = parse_json(line, where, error=GalleryError)
        if not isinstance(row, dict) or not isinstance(row.get("file"), str):
            raise GalleryError(f"{where}: not an object with the name of a 'file'")
        fields = {key: str(value) for key, value in row.items() if value is not None}
        _add(details, row["file"], fields, where)
    return details


def _add(details: Details, file: str, row: Mapping[str, str], where: str) -> None:
    name = file.strip().removeprefix("./")
    if not name:
        raise GalleryError(f"{where}: no name of a file")
    if name in details:
        raise GalleryError(f"{where}: {name!r} is listed twice")
    details[name] = details_of(row)
