"""Whether a description matches its head's label, by the property that the pool gives it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label
from clipheads.bundle.pool import PoolRecord
from clipheads.texts.pools import Description
from clipheads.texts.taxonomy import lineage


def matches(label: Label, description: Description, parents: Mapping[str, str]) -> bool:
    """Whether a description matches the label: it is of that property or of a part of it.

    Case, punctuation and plural are folded.

    Args:
        label: of the head.
        description: one of the head's.
        parents: see `read_taxonomy`.
    """
    if label.text is None or description.property is None:
        return False
    return fold_label(label.text) in lineage(description.property, parents)


def matching_properties(
    labels: Mapping[str, Label],
    heads: Mapping[str, Sequence[Description]],
    parents: Mapping[str, str],
) -> dict[str, list[bool]]:
    """Judge each head's descriptions, see `matches`."""
    return {
        head: [matches(labels[head], description, parents) for description in descriptions]
        for head, descriptions in heads.items()
    }


def read_parents(bundle: Path) -> dict[str, str]:
    """Return the taxonomy of a bundle's pool, see `read_taxonomy`.

    Raises:
        AtlasError: if the bundle's record of its pool cannot be read.
    """
    remedy = "run `head-atlas build` again"
    return read_record(bundle / "pool.json", PoolRecord, remedy=remedy).parents
