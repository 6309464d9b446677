"""The default labeller: the property behind most of what a head's descriptions explain.

A head's descriptions are those of TEXTSPAN, and each weighs its share of the head's variance. With
the taxonomy of properties (bird → animal → object) the weight of a property is that of all below
it. The label is the most specific property that

1. carries at least half of what the descriptions explain, and clearly more than any property that
   is neither part of it nor the other way round, and
2. is no accident of the pool: its texts explain the head clearly better than as many texts of the
   properties beside it (those with the same parent; without a parent, the rest of the pool).

If a property passes the first test alone, the next one above it is tried, and without any the head
has no label. The second test is what keeps a model with random weights free of labels: the texts
that happen to lie along such a head are no better than their neighbours in the pool. As many are
compared with as many because a property with a hundred texts explains more by their number alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.labels import Label, LabellerRecord, NoiseFloor
from clipheads.bundle.pool import PoolRecord, TextSpanRecord
from clipheads.labels.labeller import HeadLabels
from clipheads.labels.matching import matching_properties
from clipheads.labels.noise_floor import (
    FLOOR_QUANTILE,
    LEAST_RATIO,
    LEAST_RATIO_OF_NARROWER,
    noise_floor,
)
from clipheads.labels.property_pool import PropertyPool
from clipheads.maths.text_span import Pick
from clipheads.texts.pools import Description
from clipheads.texts.taxonomy import lineage

LEAST_SHARE = 0.5
"""A label carries so much of what the descriptions explain."""

LEAST_LEAD = 1.25
"""And so many times what any other carries that is neither above nor below it."""


def label_head_by_explained(
    picks: Sequence[Pick], covariance: Tensor, texts: Tensor, pool: PropertyPool
) -> Label:
    """Label one head.

    Args:
        picks: its TEXTSPAN picks, rows of the pool with their shares.
        covariance: Σ of its coordinates over the gallery, [r, r].
        texts: the pool's text embeddings in the head's coordinates, [n, r].
        pool: the properties of these texts.
    """
    explained = sum(pick.share for pick in picks)
    if not picks or explained <= 0:
        return Label(
            text=None,
            confidence=None,
            reason="The head’s contribution does not vary over the gallery.",
        )
    weights: dict[str, float] = {}
    for pick in picks:
        for name in pool.lines[pick.index]:
            weights[name] = weights.get(name, 0.0) + pick.share / explained
    if not weights:
        return Label(text=None, confidence=None, reason="The descriptions carry no property.")
    # The more specific first; of two that are equally specific only one can carry half.
    carrying = sorted(
        (name for name, weight in weights.items() if weight >= LEAST_SHARE - 1e-9),
        key=lambda name: -len(lineage(name, pool.parents)),
    )
    floors: dict[str, NoiseFloor] = {}
    for name in carrying:
        if weights[name] < LEAST_LEAD * (_runner_up(name, weights, pool)[1] or 0.0):
            continue
        floors[name] = noise_floor(
            pool.rows[name],
            pool.beside(name),
            covariance,
            texts,
            least_ratio=LEAST_RATIO_OF_NARROWER if name in pool.parents else LEAST_RATIO,
        )
        if floors[name].clear:
            return _label(name, weights, floors[name], pool)
    return _unlabelled(weights, floors, pool)


def label_heads_by_explained(
    heads: Mapping[str, Sequence[Description]], bundle: Path
) -> HeadLabels:
    """Label the heads of a bundle by what their descriptions explain.

    Args:
        heads: for each head, in the order of the bundle, its TEXTSPAN descriptions.
        bundle: folder with the pool, the picks, bases, moments and text embeddings.

    Raises:
        AtlasError: if a file of the bundle cannot be read.
    """
    record = read_record(bundle / "pool.json", PoolRecord)
    pool = PropertyPool([row.property for row in record.texts], record.parents)
    picks = read_record(bundle / "textspan.json", TextSpanRecord).root
    texts = load_file(bundle / "descriptions.safetensors")["embeddings"]
    basis = load_file(bundle / "basis.safetensors")["basis"]
    covariances = load_file(bundle / "statistics.safetensors")["covariance"]
    labels = {
        head: label_head_by_explained(
            [Pick(pick.index, pick.share) for pick in picks[head]], covariance, texts @ base, pool
        )
        for head, covariance, base in zip(heads, covariances, basis, strict=True)
    }
    matching = matching_properties(labels, heads, record.parents)
    return HeadLabels(labels, matching, explained_record())


def explained_record() -> LabellerRecord:
    """Return the record of this labeller."""
    return LabellerRecord(
        kind="explained",
        method=(
            "A description counts for its property, and for every wider one, by the share of the"
            " head’s variance that it explains. The label is the most specific property that has"
            f" at least {LEAST_SHARE:.0%} of what the descriptions explain, at least"
            f" {LEAST_LEAD:g} times as much as any property that is neither wider nor narrower, and"
            f" texts that explain the head at least {LEAST_RATIO:g} times as well as"
            f" {FLOOR_QUANTILE:.0%} of equally large sets of other texts"
            f" ({LEAST_RATIO_OF_NARROWER:g} times, for a property that is part of a wider one; the"
            " other texts are then those of the wider one)."
        ),
    )


def _label(name: str, weights: Mapping[str, float], floor: NoiseFloor, pool: PropertyPool) -> Label:
    other, weight = _runner_up(name, weights, pool)
    return Label(
        text=pool.spelling[name],
        confidence=round(weights[name], 4),
        runner_up=other,
        runner_up_confidence=weight,
        noise=floor,
        reason=(
            f"{weights[name]:.0%} of the variance that the descriptions explain belongs to"
            f" descriptions of “{pool.spelling[name]}”. {_selected(floor)} explain"
            f" {floor.explained:.0%} of the head’s variance; descriptions selected from as many"
            f" other texts explain at most {floor.floor:.0%} in {FLOOR_QUANTILE:.0%} of draws."
        ),
    )


def _selected(floor: NoiseFloor) -> str:
    return f"Descriptions selected from its {floor.texts} texts alone"


def _runner_up(
    name: str, weights: Mapping[str, float], pool: PropertyPool
) -> tuple[str | None, float | None]:
    """The property with most weight that is neither above nor below the label."""
    own = set(lineage(name, pool.parents))
    others = {
        other: weight
        for other, weight in weights.items()
        if other not in own and name not in lineage(other, pool.parents)
    }
    if not others:
        return None, None
    # Of equals the widest: what is all within one property need not be split.
    best = max(others, key=lambda name: (others[name], -len(lineage(name, pool.parents))))
    return pool.spelling[best], round(others[best], 4)


def _unlabelled(
    weights: Mapping[str, float], floors: Mapping[str, NoiseFloor], pool: PropertyPool
) -> Label:
    roots = {name: weight for name, weight in weights.items() if name not in pool.parents}
    ordered = sorted(roots, key=lambda name: -roots[name])
    tried = [
        f"“{pool.spelling[name]}” accounts for {weights[name]:.0%}, but"
        f" {_selected(floor).lower()} explain {floor.explained:.0%} of the head’s variance, and"
        f" descriptions selected from as many other texts {floor.floor:.0%}"
        for name, floor in floors.items()
    ]
    shares = ", ".join(f"“{pool.spelling[name]}” {roots[name]:.0%}" for name in ordered[:2])
    return Label(
        text=None,
        confidence=None,
        runner_up=pool.spelling[ordered[0]],
        runner_up_confidence=round(roots[ordered[0]], 4),
        noise=list(floors.values())[-1] if floors else None,
        reason=(
            f"No property stands out: {'; '.join(tried)}."
            if tried
            else f"No property accounts for {LEAST_SHARE:.0%} of the variance that the descriptions"
            f" explain and for clearly more than every other: {shares}."
        ),
    )
