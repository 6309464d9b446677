"""The taxonomy of properties: the wider property of each (bird → animal → object).

Stored beside a pool of descriptions as `<pool>.properties.csv`, with columns `property` and
`parent`. A parent need not be a property of any text. Names are compared after `fold_label`.

>>> parents = {"bird": "animal", "animal": "object"}
>>> lineage("Birds", parents)
['bird', 'animal', 'object']
>>> lineage("weather", parents)
['weather']
"""

from collections.abc import Mapping
from pathlib import Path

from clipheads.bundle.disk.record_files import read_table
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label

SUFFIX = ".properties.csv"


def read_taxonomy(pool: Path) -> dict[str, str]:
    """Read the parent of each property from the file beside a pool; nothing if there is none.

    Raises:
        AtlasError: if the file cannot be read, gives a property two parents, or runs in a circle.
    """
    file = pool.with_name(pool.stem + SUFFIX)
    if not file.exists():
        return {}
    parents: dict[str, str] = {}
    for line, row in read_table(file, ("property", "parent")):
        name, parent = (" ".join(row[column].split()) for column in ("property", "parent"))
        if not name or not parent:
            raise AtlasError(f"{file}, line {line}: a line names both a property and its parent")
        before = parents.setdefault(fold_label(name), parent)
        if fold_label(before) != fold_label(parent):
            raise AtlasError(f"{file}, line {line}: {name!r} has two parents, {before!r} too")
    for name in parents:
        above, steps = name, 0
        while above in parents:
            above, steps = fold_label(parents[above]), steps + 1
            if steps > len(parents):
                raise AtlasError(f"{file}: {name!r} is part of itself, through {above!r}")
    return parents


def lineage(name: str, parents: Mapping[str, str]) -> list[str]:
    """A property and all wider ones, the narrowest first, in folded spelling.

    Args:
        name: of the property, in any spelling.
        parents: the parent of each property, by folded name.
    """
    line = [fold_label(name)]
    while line[-1] in parents:
        line.append(fold_label(parents[line[-1]]))
    return line
