"""Whether labels are right: each way of labelling against what moves the heads.

A label is right if it is the head's true property, or a wider one in the taxonomy of the demo pool:
"background" is right for a head that is moved by the background's colour, "background pattern" is
not. Judged are the heads of the scored layers that have a true property.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.bundle.ground_truth import LabelTruth
from clipheads.demo_world.truth.causes import PROPERTY_OF_GROUP
from clipheads.demo_world.world.captions import PROPERTY_OF_ATTRIBUTE
from clipheads.labels.explained import Pool, label_by_explained
from clipheads.labels.majority import label_head
from clipheads.maths.neighbours import top_k
from clipheads.maths.text_span import Pick, textspan
from clipheads.texts.pools import Description
from clipheads.texts.taxonomy import lineage
from clipheads.truth.shared_attribute import shared_attribute

PICKS = 10
SHOWN_IMAGES = 8
LEAST_COUNT = 3
"""So many of a head's descriptions must share a property before a reader names it."""

Labels = Mapping[str, str | None]
"""The label of each head, by id."""


@dataclass(frozen=True, eq=False)
class LabelledGallery:
    """What labellers see of a gallery: contributions and, for the one by images, their truth."""

    coordinates: Tensor
    """[N, heads, r]"""
    embeddings: Tensor
    """[N, D]"""
    attributes: Mapping[str, Sequence[str | None]]
    """The value of each attribute for each image."""


def label_by_methods(
    gallery: LabelledGallery,
    basis: Tensor,
    texts: Tensor,
    pool: Sequence[Description],
    parents: Mapping[str, str],
    heads: Sequence[str],
) -> tuple[dict[str, Labels], list[list[Pick]]]:
    """Label all heads over a gallery by every method.

    Args:
        gallery: its images.
        basis: [heads, D, r].
        texts: embeddings of the pool, [n, D].
        pool: its texts with their properties.
        parents: see `read_taxonomy`.
        heads: ids in the order of the tensors.

    Returns:
        The labels by method, and the TEXTSPAN picks of each head.
    """
    known = Pool([one.property for one in pool], parents)
    picks, explained = [], []
    for head in range(len(heads)):
        covariance = torch.cov(gallery.coordinates[:, head].double().T, correction=0)
        projected = texts.double() @ basis[head].double()
        picks.append(textspan(covariance, projected, PICKS))
        explained.append(label_by_explained(picks[-1], covariance, projected, known).text)
    described = [[pool[pick.index] for pick in one] for one in picks]
    labels: dict[str, list[str | None]] = {
        "explained": explained,
        "majority": [label_head(one).text for one in described],
        "count": [label_by_count(one) for one in described],
        "top images": [
            property_of(shared_attribute(shown, gallery.attributes))
            for shown in _strongest(gallery, basis)
        ],
    }
    return {method: dict(zip(heads, found, strict=True)) for method, found in labels.items()}, picks


def label_by_count(descriptions: Sequence[Description]) -> str | None:
    """Label a head as a reader does who counts: the commonest property, of at least three texts.

    It is the rule that a language model gets in `incontext`, without the model's own knowledge.
    """
    names = [one.property for one in descriptions if one.property]
    best = max(names, key=names.count, default=None)
    return best if best and names.count(best) >= LEAST_COUNT else None


def property_of(attribute: str) -> str:
    """The property that a head bears which answers to an attribute."""
    return PROPERTY_OF_ATTRIBUTE.get(attribute, PROPERTY_OF_GROUP["object"])


def is_right(label: str, property_: str, parents: Mapping[str, str]) -> bool:
    """Whether a label is a property or a wider one.

    >>> is_right("background", "backdrop", {"backdrop": "background"})
    True
    >>> is_right("backdrop", "background", {"backdrop": "background"})
    False
    """
    return lineage(label, {})[0] in lineage(property_, parents)


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
    caused = {head: found for head, found in truth.items() if found is not None}
    given = {head: label for head in caused if (label := labels[head]) is not None}
    right = {head for head in given if is_right(given[head], caused[head], parents)}
    narrow = {
        head
        for head in given.keys() - right
        if lineage(given[head], parents)[-1] == lineage(caused[head], parents)[-1]
    }
    return LabelTruth(
        method=method,
        heads=len(caused),
        labelled=len(given),
        right=len(right),
        right_variance=round(
            sum(variance[head] for head in right) / sum(variance[head] for head in caused), 4
        )
        if caused
        else 0.0,
        too_narrow=len(narrow),
        chance=round(_right_by_chance(given, caused, parents), 2) if given else None,
        same_label=None
        if elsewhere is None
        else round(sum(labels[head] == elsewhere[head] for head in labels) / len(labels), 4),
    )


def _right_by_chance(
    given: Mapping[str, str], truth: Mapping[str, str], parents: Mapping[str, str]
) -> float:
    """How many labels would be right, on average over all ways to deal them to these heads."""
    pairs = [is_right(label, truth[head], parents) for label in given.values() for head in given]
    return sum(pairs) / len(given)


def _strongest(gallery: LabelledGallery, basis: Tensor) -> list[list[int]]:
    """For each head the images whose share stands out most from its mean, as its page shows."""
    shares = torch.einsum(
        "nhr,hdr,nd->nh", gallery.coordinates.double(), basis.double(), gallery.embeddings.double()
    )
    images, _ = top_k((shares - shares.mean(dim=0)).T.float(), SHOWN_IMAGES)
    return [found.tolist() for found in images]
