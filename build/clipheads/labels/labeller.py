"""What a labeller gives, and the labeller that counts: the majority of a head's descriptions.

Every labeller gives the same thing, `NamedHeads`: this one, `explained_labels` (the default),
`incontext` and `imported_labels`. The majority stands in for the language model that reads the
descriptions in the paper; it takes no account of how much of the head a description explains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label, Labeller
from clipheads.bundle.pool import PoolRecord
from clipheads.texts.pools import Description
from clipheads.texts.taxonomy import lineage

THRESHOLD = 0.5
"""A label needs half of the weight: of ten picks drawn by chance from sixteen properties of
equal size, one property reaches that in 8 % of the cases (40 % of the weight: in 26 %)."""


@dataclass(frozen=True)
class NamedHeads:
    """What a labeller says of the heads of a model, by their ids such as `L11.H7`."""

    labels: dict[str, Label]
    matching: dict[str, list[bool]]
    """Which of a head's descriptions match its label, in order; all False without a label."""
    labeller: Labeller
    unanswered: dict[str, str] = field(default_factory=dict)
    """Heads about which the labeller could not find out, and why: they keep a label they had."""


NameHeads = Callable[[Mapping[str, Sequence[Description]], Path], NamedHeads]
"""A labeller: from the TEXTSPAN descriptions of each head, in order, to its name. It is also told
the folder of the bundle, where it finds everything else about the heads."""


def name_heads_by_majority(heads: Mapping[str, Sequence[Description]], bundle: Path) -> NamedHeads:
    """Label the heads of a bundle by majority, and match descriptions by property."""
    labels = {head: label_head(descriptions) for head, descriptions in heads.items()}
    matching = matching_properties(labels, heads, read_parents(bundle))
    return NamedHeads(labels, matching, majority_labeller())


def matching_properties(
    labels: Mapping[str, Label],
    heads: Mapping[str, Sequence[Description]],
    parents: Mapping[str, str],
) -> dict[str, list[bool]]:
    """Judge each head's descriptions by the property that the pool gives them."""
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


def label_head(descriptions: Sequence[Description], threshold: float = THRESHOLD) -> Label:
    """Label a head by the rank-weighted majority of its descriptions' properties.

    Args:
        descriptions: the TEXTSPAN picks of one head, in order; the i-th weighs 1/i.
        threshold: the share of the whole weight that a property needs.

    Returns:
        The property as the pool first spells it, or no label and why.
    """
    if not descriptions:
        return _unlabelled(None, "The head's contribution does not vary over the gallery.")
    if all(description.property is None for description in descriptions):
        return _unlabelled(None, "The descriptions carry no property.")
    weights: dict[str, float] = {}
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for rank, description in enumerate(descriptions, start=1):
        if description.property is None:
            continue
        folded = fold_label(description.property)
        names.setdefault(folded, description.property)
        weights[folded] = weights.get(folded, 0.0) + 1 / rank
        counts[folded] = counts.get(folded, 0) + 1
    total = sum(1 / rank for rank in range(1, len(descriptions) + 1))
    # max takes the first of equals, which is the one that was picked first.
    winner = max(weights, key=lambda folded: weights[folded])
    share = weights[winner] / total
    evidence = (
        f"{counts[winner]} of {len(descriptions)} descriptions, with {share:.0%} of the rank"
        f" weight, speak of “{names[winner]}”"
    )
    # The weights are sums of fractions: half of them must not fail by rounding.
    if share < threshold - 1e-9:
        return _unlabelled(share, f"No property has {threshold:.0%} of the weight: {evidence}.")
    return Label(text=names[winner], confidence=round(share, 6), reason=f"{evidence}.")


def majority_labeller(threshold: float = THRESHOLD) -> Labeller:
    """Return the record of who named the heads, for the reader."""
    return Labeller(
        kind="majority",
        method=(
            "Each description of the pool carries its property; the i-th description of a head"
            f" weighs 1/i, and a property with at least {threshold:.0%} of the weight is the label."
        ),
    )


def matches(label: Label, description: Description, parents: Mapping[str, str]) -> bool:
    """Whether a description speaks of the head's label: of that property or of a part of it.

    Case, punctuation and plural are folded.
    """
    if label.text is None or description.property is None:
        return False
    return fold_label(label.text) in lineage(description.property, parents)


def _unlabelled(share: float | None, reason: str) -> Label:
    confidence = None if share is None else round(share, 6)
    return Label(text=None, confidence=confidence, reason=reason)
