"""The labeller that counts: the rank-weighted majority of the properties of a head's descriptions.

It stands in for the language model that reads the descriptions in the paper, and takes no account
of how much of the head a description explains.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.labels.labeller import HeadLabels
from clipheads.labels.matching import matching_properties, read_parents
from clipheads.texts.pools import Description

THRESHOLD = 0.5
"""A label needs half of the weight: of ten picks drawn by chance from sixteen properties of
equal size, one property reaches that in 8 % of the cases (40 % of the weight: in 26 %)."""


def label_heads_by_majority(heads: Mapping[str, Sequence[Description]], bundle: Path) -> HeadLabels:
    """Label heads by majority, and match descriptions by property.

    Args:
        heads: for each head its TEXTSPAN descriptions in order.
        bundle: folder with the taxonomy of the pool.

    Raises:
        AtlasError: if the bundle's record of its pool cannot be read.
    """
    labels = {head: label_head_by_majority(descriptions) for head, descriptions in heads.items()}
    matching = matching_properties(labels, heads, read_parents(bundle))
    return HeadLabels(labels, matching, majority_record())


def label_head_by_majority(
    descriptions: Sequence[Description], threshold: float = THRESHOLD
) -> Label:
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
        f" weight, are of “{names[winner]}”"
    )
    # The weights are sums of fractions: half of them must not fail by rounding.
    if share < threshold - 1e-9:
        return _unlabelled(share, f"No property has {threshold:.0%} of the weight: {evidence}.")
    return Label(text=names[winner], confidence=round(share, 6), reason=f"{evidence}.")


def majority_record(threshold: float = THRESHOLD) -> LabellerRecord:
    """Return the record of this labeller."""
    return LabellerRecord(
        kind="majority",
        method=(
            "Each description of the pool carries its property; the i-th description of a head"
            f" weighs 1/i, and a property with at least {threshold:.0%} of the weight is the label."
        ),
    )


def _unlabelled(share: float | None, reason: str) -> Label:
    confidence = None if share is None else round(share, 6)
    return Label(text=None, confidence=confidence, reason=reason)
