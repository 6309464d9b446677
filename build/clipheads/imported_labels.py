"""Labels made by hand or elsewhere, read from a file."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipheads.bundle import Label, Labeller
from clipheads.descriptions import Description, fold_label
from clipheads.errors import AtlasError
from clipheads.labels import NamedHeads, matching_properties

FORM = 'a .csv with the columns head,label (and reason), or a .json such as {"L11.H7": "colour"}'


def name_heads_from_file(
    heads: Mapping[str, Sequence[Description]], _bundle: Path | None = None, *, file: Path
) -> NamedHeads:
    """Label heads as a file says; a description matches by the property that the pool gives it.

    Args:
        heads: for each head its TEXTSPAN descriptions in order.
        file: .csv with the columns `head`, `label` and perhaps `reason`, or .json that maps heads
            to labels. An empty label or null leaves a head without one, as does its absence.

    Raises:
        AtlasError: if the file cannot be read, or names a head that the model has not, or one
            twice.
    """
    rows = _read_json(file) if file.suffix.lower() == ".json" else _read_csv(file)
    labels: dict[str, Label] = {}
    for where, head, text, reason in rows:
        if head not in heads:
            some = ", ".join(list(heads)[:2])
            raise AtlasError(
                f"{file}{where}: no head {head!r} in this bundle; its heads are called {some}, …"
            )
        if head in labels:
            raise AtlasError(f"{file}{where}: {head} is labelled twice; keep one of them")
        labels[head] = (
            Label(text=text, confidence=None, reason=reason or f"Taken from {file.name}.")
            if fold_label(text)
            else Label(text=None, confidence=None, reason=reason or f"{file.name} leaves it blank.")
        )
    absent = Label(text=None, confidence=None, reason=f"{file.name} does not name this head.")
    complete = {head: labels.get(head, absent) for head in heads}
    labeller = Labeller(
        kind="imported",
        method=(
            f"The labels were made elsewhere and taken from {file.name}; a description matches a"
            " label if the pool gives it that property."
        ),
    )
    return NamedHeads(complete, matching_properties(complete, heads), labeller)


Rows = list[tuple[str, str, str, str]]
"""Where in the file, head, label, reason."""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise AtlasError(f"{file}: no such file; labels are {FORM}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AtlasError(f"{file}: cannot be read as UTF-8 text; labels are {FORM}") from error


def _read_csv(file: Path) -> Rows:
    reader = csv.DictReader(io.StringIO(_read(file), newline=""), restval="")
    if not {"head", "label"} <= set(reader.fieldnames or []):
        raise AtlasError(f"{file}: no columns head and label; labels are {FORM}")
    return [
        (
            f", line {reader.line_num}",
            row["head"].strip(),
            row["label"].strip(),
            row.get("reason", "").strip(),
        )
        for row in reader
    ]


def _read_json(file: Path) -> Rows:
    try:
        pairs = json.loads(_read(file), object_pairs_hook=list)
    except ValueError as error:
        raise AtlasError(f"{file}: no valid JSON ({error}); labels are {FORM}") from None
    if not isinstance(pairs, list) or not all(
        isinstance(pair, tuple) and (pair[1] is None or isinstance(pair[1], str)) for pair in pairs
    ):
        raise AtlasError(f"{file}: not a map from heads to labels; labels are {FORM}")
    return [("", head.strip(), (text or "").strip(), "") for head, text in pairs]
