"""Labels made by hand or elsewhere, read from a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clipheads.bundle.disk.record_files import read_json, read_table
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label, Labeller
from clipheads.labels.labeller import NamedHeads, matching_properties, read_parents
from clipheads.texts.pools import Description

FORM = 'a .csv with the columns head,label (and reason), or a .json such as {"L11.H7": "colour"}'


def name_heads_from_file(
    heads: Mapping[str, Sequence[Description]], bundle: Path, *, file: Path
) -> NamedHeads:
    """Label heads as a file says; a description matches by the property that the pool gives it.

    Args:
        heads: for each head its TEXTSPAN descriptions in order.
        bundle: folder with the taxonomy of the pool.
        file: .csv with the columns `head`, `label` and perhaps `reason`, or .json that maps heads
            to labels. An empty label or null leaves a head without one, as does its absence.

    Raises:
        AtlasError: if the file cannot be read, names no head, a head that the model has not, or
            one twice.
    """
    rows = _read_json(file) if file.suffix.lower() == ".json" else _read_csv(file)
    if not rows:
        raise AtlasError(f"{file}: no label in it; labels are {FORM}")
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
    return NamedHeads(
        complete, matching_properties(complete, heads, read_parents(bundle)), labeller
    )


Rows = list[tuple[str, str, str, str]]
"""Where in the file, head, label, reason."""


def _is_unicode(text: str) -> bool:
    """Whether `text` can be written; JSON may hold one half of a pair of surrogates."""
    return text.encode("utf-8", "ignore").decode() == text


def _read_csv(file: Path) -> Rows:
    return [
        (
            f", line {row.line}",
            row.fields["head"].strip(),
            row.fields["label"].strip(),
            row.fields.get("reason", "").strip(),
        )
        for row in read_table(file, ("head", "label"))
    ]


def _read_json(file: Path) -> Rows:
    labels = read_json(file)
    if not isinstance(labels, dict) or not all(
        text is None or isinstance(text, str) for text in labels.values()
    ):
        raise AtlasError(f"{file}: not a map from heads to labels; labels are {FORM}")
    return [("", head.strip(), (text or "").strip(), "") for head, text in labels.items()]
