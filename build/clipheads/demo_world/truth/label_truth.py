"""Whether labels are right: each method of labelling against what moves the heads.

A label is right if it is the head's true property, or a wider one in the taxonomy of the demo pool:
"background" is right for a head that is moved by the background's colour, "background pattern" is
not. Judged are the heads of the scored layers that have a true property.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from clipheads.bundle.ground_truth import LabelTruth
from clipheads.demo_world.truth.causes import Causes, TrueProperty
from clipheads.demo_world.truth.finished_bundle import FinishedBundle
from clipheads.demo_world.truth.labelling_methods import LabelledGallery, Labels, label_by_methods
from clipheads.demo_world.truth.observed_scenes import ObservedScenes
from clipheads.demo_world.world.captions import scene_attributes
from clipheads.maths.text_span import Pick
from clipheads.texts.pools import Description
from clipheads.texts.taxonomy import lineage

COMPARED_PICKS = 3
"""So many first descriptions of each head are compared between galleries."""


def label_truths(
    bundle: FinishedBundle,
    reference: ObservedScenes,
    basis: Tensor,
    truths: Sequence[TrueProperty],
    causes: Causes,
    scored: Sequence[int],
) -> tuple[list[LabelTruth], float]:
    """Judge the labels of a bundle, and those of each method over its gallery.

    Args:
        bundle: with the labels that its pages show.
        reference: other scenes, over which the methods label anew to see what stays the same.
        basis: [heads, D, r], of the reference scenes.
        truths: the true property of each head of the bundle.
        causes: the variance of each head.
        scored: indices of the heads of the scored layers.

    Returns:
        A row for the bundle's own labels and one for each method, and the share of the first
        descriptions that stay the same over the reference scenes.
    """
    heads = [head.id for head in bundle.heads]
    pool = [Description(row.text, row.property) for row in bundle.pool.texts]
    parents = bundle.pool.parents
    attributes = [scene_attributes(scene) for scene in bundle.scenes]
    gallery = LabelledGallery(
        bundle.coordinates,
        bundle.embeddings,
        bundle.basis,
        {name: [values[name] for values in attributes] for name in attributes[0]},
    )
    other = LabelledGallery(
        reference.coordinates, reference.embeddings(basis), basis, reference.attributes
    )
    labels, picks = label_by_methods(gallery, bundle.texts, pool, parents, heads)
    elsewhere, other_picks = label_by_methods(other, bundle.texts, pool, parents, heads)

    truth: Labels = {heads[index]: truths[index].property for index in scored}
    variance = dict(zip(heads, causes.variance.tolist(), strict=True))
    published: Labels = {head.id: head.label.text for head in bundle.heads}
    rows = [label_truth("published", published, truth, variance, parents)]
    rows += [
        label_truth(method, found, truth, variance, parents, elsewhere[method])
        for method, found in labels.items()
    ]
    return rows, _same_first(picks, other_picks)


def label_truth(
    method: str,
    labels: Labels,
    truth: Labels,
    variance: Mapping[str, float],
    parents: Mapping[str, str],
    elsewhere: Labels | None = None,
) -> LabelTruth:
    """Judge the labels of one method.

    Args:
        method: its name.
        labels: of all heads of the bundle.
        truth: the true property of the heads that are judged; None for a mixed head.
        variance: of each head.
        parents: see `read_taxonomy`.
        elsewhere: labels of the same method over another gallery.
    """
    judged = {head: found for head, found in truth.items() if found is not None}
    labelled = {head: label for head in judged if (label := labels[head]) is not None}
    right = {head for head in labelled if is_right(labelled[head], judged[head], parents)}
    narrow = {
        head
        for head in labelled.keys() - right
        if lineage(labelled[head], parents)[-1] == lineage(judged[head], parents)[-1]
    }
    return LabelTruth(
        method=method,
        heads=len(judged),
        labelled=len(labelled),
        right=len(right),
        right_variance=round(
            sum(variance[head] for head in right) / sum(variance[head] for head in judged), 4
        )
        if judged
        else 0.0,
        too_narrow=len(narrow),
        chance=round(_right_by_chance(labelled, judged, parents), 2) if labelled else None,
        same_label=None
        if elsewhere is None
        else round(sum(labels[head] == elsewhere[head] for head in labels) / len(labels), 4),
    )


def is_right(label: str, property_: str, parents: Mapping[str, str]) -> bool:
    """Whether a label is a property or a wider one.

    >>> is_right("background", "backdrop", {"backdrop": "background"})
    True
    >>> is_right("backdrop", "background", {"backdrop": "background"})
    False
    """
    return lineage(label, {})[0] in lineage(property_, parents)


def _right_by_chance(
    labels: Mapping[str, str], truth: Mapping[str, str], parents: Mapping[str, str]
) -> float:
    """Expected number of right labels over all permutations of the labels among these heads."""
    right = [is_right(label, truth[head], parents) for label in labels.values() for head in labels]
    return sum(right) / len(labels)


def _same_first(picks: Sequence[Sequence[Pick]], others: Sequence[Sequence[Pick]]) -> float:
    """Share of the first descriptions of all heads that both lists of picks have."""
    same = [
        len(_first(head_picks) & _first(head_others)) / COMPARED_PICKS
        for head_picks, head_others in zip(picks, others, strict=True)
    ]
    return round(sum(same) / len(same), 4)


def _first(picks: Sequence[Pick]) -> set[int]:
    return {pick.index for pick in picks[:COMPARED_PICKS]}
