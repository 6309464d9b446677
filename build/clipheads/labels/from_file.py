"""The labeller that reads labels made by hand or elsewhere from a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from clipheads.bundle.disk.record_files import read_json, read_table
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.gallery.shown_names import shown
from clipheads.labels.labeller import HeadLabels, Labeller
from clipheads.labels.matching import matching_properties, read_parents
from clipheads.texts.pools import Description

FORM = 'a .csv with the columns head,label (and reason), or a .json such as {"L11.H7": "colour"}'


class Row(NamedTuple):
    """What the file says of one head."""

    where: str
    """The line of the file, in the words of a message."""
    head: str
    label: str
    """Empty for a head without a label."""
    reason: str


def labeller_from_file(file: Path) -> Labeller:
    """Read a file of labels; a description matches by the property that the pool gives it.

    The file is the whole set of labels: an empty label, a null, or no word of a head leaves that
    head without a label.

    Args:
        file: .csv with the columns `head`, `label` and perhaps `reason`, or .json that maps heads
            to labels.

    Raises:
        AtlasError: if the file cannot be read or has no label; when heads are labelled, if it
            names a head that the model has not, or one twice.
    """
    rows = _read_json(file) if file.suffix.lower() == ".json" else _read_csv(file)
    if not rows:
        raise AtlasError(f"{file}: no label in it; labels are {FORM}")

    def label_heads(heads: Mapping[str, Sequence[Description]], bundle: Path) -> HeadLabels:
        labels = _labels(file, rows, heads)
        matching = matching_properties(labels, heads, read_parents(bundle))
        return HeadLabels(labels, matching, _record(file))

    return label_heads


def _labels(
    file: Path, rows: Sequence[Row], heads: Mapping[str, Sequence[Description]]
) -> dict[str, Label]:
    name = shown(file.name)
    labels: dict[str, Label] = {}
    for where, head, text, reason in rows:
        if head not in heads:
            some = ", ".join(list(heads)[:2])
            raise AtlasError(
                f"{file}{where}: no head {head!r} in this bundle; its heads are called {some}, …"
            )
        if head in labels:
            raise AtlasError(f"{file}{where}: {head} is labelled twice; keep one of them")
        if not _is_unicode(text):
            raise AtlasError(f"{file}{where}: the label of {head} is no valid Unicode text")
        labels[head] = (
            Label(text=text, confidence=None, reason=reason or f"Taken from {name}.")
            if fold_label(text)
            else Label(text=None, confidence=None, reason=reason or f"{name} leaves it blank.")
        )
    absent = Label(text=None, confidence=None, reason=f"{name} does not name this head.")
    return {head: labels.get(head, absent) for head in heads}


def _record(file: Path) -> LabellerRecord:
    return LabellerRecord(
        kind="imported",
        method=(
            f"The labels were made elsewhere and taken from {shown(file.name)}; a description"
            " matches a label if the pool gives it that property."
        ),
    )


def _is_unicode(text: str) -> bool:
    """Whether `text` can be written; JSON may hold one half of a pair of surrogates."""
    return text.encode("utf-8", "ignore").decode() == text


def _read_csv(file: Path) -> list[Row]:
    return [
        Row(
            f", line {row.line}",
            row.fields["head"].strip(),
            row.fields["label"].strip(),
            row.fields.get("reason", "").strip(),
        )
        for row in read_table(file, ("head", "label"))
    ]


def _read_json(file: Path) -> list[Row]:
    labels = read_json(file)
    if not isinstance(labels, dict) or not all(
        text is None or isinstance(text, str) for text in labels.values()
    ):
        raise AtlasError(f"{file}: not a map from heads to labels; labels are {FORM}")
    return [Row("", head.strip(), (text or "").strip(), "") for head, text in labels.items()]
