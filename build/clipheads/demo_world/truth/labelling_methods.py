"""The methods of labelling heads that are compared with the ground truth.

Three label a head by its TEXTSPAN descriptions: `explained` (the default labeller), `majority`, and
`count`, the rule that a language model is given. `top images` names what the images with the
largest excess share have in common, which only the demo world can judge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.demo_world.truth.causes import PROPERTY_OF_GROUP
from clipheads.demo_world.world.captions import PROPERTY_OF_ATTRIBUTE
from clipheads.labels.explained import label_head_by_explained
from clipheads.labels.majority import label_head_by_majority
from clipheads.labels.property_pool import PropertyPool
from clipheads.maths.neighbours import top_k
from clipheads.maths.text_span import Pick, textspan
from clipheads.stages.text_span import PICKS
from clipheads.texts.pools import Description
from clipheads.truth.shared_attribute import shared_attribute

TOP_IMAGES = 8
LEAST_COUNT = 3
"""So many of a head's descriptions must share a property before `count` names it."""

Labels = Mapping[str, str | None]
"""The label of each head, by id."""


@dataclass(frozen=True, eq=False)
class LabelledGallery:
    """What the methods see of a gallery: contributions and, for `top images`, its attributes."""

    coordinates: Tensor
    """[N, heads, r]"""
    embeddings: Tensor
    """[N, D]"""
    basis: Tensor
    """[heads, D, r]"""
    attributes: Mapping[str, Sequence[str | None]]
    """The value of each attribute for each image."""


def label_by_methods(
    gallery: LabelledGallery,
    texts: Tensor,
    pool: Sequence[Description],
    parents: Mapping[str, str],
    heads: Sequence[str],
) -> tuple[dict[str, Labels], list[list[Pick]]]:
    """Label all heads over a gallery by each method.

    Args:
        gallery: its images.
        texts: embeddings of the pool, [n, D].
        pool: its texts with their properties.
        parents: see `read_taxonomy`.
        heads: ids in the order of the tensors.

    Returns:
        The labels by method, and the TEXTSPAN picks of each head.
    """
    properties = PropertyPool([text.property for text in pool], parents)
    picks, explained = [], []
    for head in range(len(heads)):
        covariance = torch.cov(gallery.coordinates[:, head].double().T, correction=0)
        projected = texts.double() @ gallery.basis[head].double()
        picks.append(textspan(covariance, projected, PICKS))
        explained.append(label_head_by_explained(picks[-1], covariance, projected, properties).text)
    described = [[pool[pick.index] for pick in head_picks] for head_picks in picks]
    labels: dict[str, list[str | None]] = {
        "explained": explained,
        "majority": [label_head_by_majority(descriptions).text for descriptions in described],
        "count": [label_by_count(descriptions) for descriptions in described],
        "top images": [
            property_of(shared_attribute(images, gallery.attributes))
            for images in _top_images(gallery)
        ],
    }
    return {method: dict(zip(heads, found, strict=True)) for method, found in labels.items()}, picks


def label_by_count(descriptions: Sequence[Description]) -> str | None:
    """Label a head by the most frequent property, of at least three of its descriptions.

    It is the rule that a language model is given in `labels.in_context`, without the model's own
    knowledge.
    """
    names = [description.property for description in descriptions if description.property]
    best = max(names, key=names.count, default=None)
    return best if best and names.count(best) >= LEAST_COUNT else None


def property_of(attribute: str) -> str:
    """The property, in the demo pool's taxonomy, that corresponds to an attribute of scenes."""
    return PROPERTY_OF_ATTRIBUTE.get(attribute, PROPERTY_OF_GROUP["object"])


def _top_images(gallery: LabelledGallery) -> list[list[int]]:
    """For each head the images with the largest excess share, as its page shows them."""
    shares = torch.einsum(
        "nhr,hdr,nd->nh",
        gallery.coordinates.double(),
        gallery.basis.double(),
        gallery.embeddings.double(),
    )
    images, _ = top_k((shares - shares.mean(dim=0)).T.float(), TOP_IMAGES)
    return [indices.tolist() for indices in images]
