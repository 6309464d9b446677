"""The texts from which descriptions were picked, by the property of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from clipheads.bundle.label_names import fold_label
from clipheads.texts.taxonomy import lineage


@dataclass(frozen=True, eq=False)
class PropertyPool:
    """The texts from which descriptions were picked, with their properties in a taxonomy."""

    properties: Sequence[str | None]
    """Of each text."""
    parents: Mapping[str, str]
    """See `read_taxonomy`."""

    @cached_property
    def lines(self) -> list[list[str]]:
        """For each text its property and all wider ones, folded."""
        return [lineage(name, self.parents) if name else [] for name in self.properties]

    @cached_property
    def rows(self) -> dict[str, list[int]]:
        """The texts below each property."""
        below: dict[str, list[int]] = {}
        for row, line in enumerate(self.lines):
            for name in line:
                below.setdefault(name, []).append(row)
        return below

    @cached_property
    def spelling(self) -> dict[str, str]:
        """How each folded property is written: as the pool has it first, else the taxonomy."""
        written = {fold_label(name): name for name in reversed(list(self.parents.values()))}
        return written | {
            fold_label(name): name for name in reversed(self.properties) if name is not None
        }

    def beside(self, name: str) -> list[int]:
        """The texts of the same parent, or of the pool, that are not below a property."""
        parent = self.parents.get(name)
        around = self.rows[fold_label(parent)] if parent else range(len(self.properties))
        own = set(self.rows[name])
        return [row for row in around if row not in own]
