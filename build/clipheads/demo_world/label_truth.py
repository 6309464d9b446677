"""Whether labels name what heads really separate: each way of labelling against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.bundle import HeadTruth, LabelTruth
from clipheads.demo_world.captions import PROPERTY_OF_ATTRIBUTE
from clipheads.demo_world.known_scenes import KnownScenes
from clipheads.descriptions import Description
from clipheads.labels import label_head
from clipheads.neighbour_labels import neighbour_label, questions, tell_questions
from clipheads.text_span import textspan
from clipheads.truth.agreement import agreement, agreement_by_chance, property_of_images

LARGE_GAIN = 0.3
GALLERY = 480
"""Heads are labelled over as many scenes as the demo gallery has."""

PICKS = 10
SHOWN_IMAGES = 8

OBJECTS = "objects"
"""The property of a head that tells objects or their categories."""


def property_of(attribute: str) -> str:
    """The property that a head bears which tells an attribute; objects and categories are one."""
    return PROPERTY_OF_ATTRIBUTE.get(attribute, OBJECTS)


def attribute_property(label: str | None) -> str | None:
    """The property that a label of the demo pool stands for: a category stands for objects."""
    if label is None or label in PROPERTY_OF_ATTRIBUTE.values():
        return label
    return OBJECTS


def label_truths(
    heads: Sequence[HeadTruth],
    pool: Sequence[Description],
    texts: Tensor,
    basis: Tensor,
    known: KnownScenes,
    asked: KnownScenes,
) -> tuple[list[LabelTruth], float]:
    """Label by each method over each set of scenes, and compare with the truth."""
    over = [_labels_over(scenes, pool, texts, basis) for scenes in (known, asked)]
    truth = {head.id: head.property for head in heads}
    by_id = {head.id: head for head in heads}
    rows = []
    for method in over[0].labels:
        first, second = (dict(zip(truth, found.labels[method], strict=True)) for found in over)
        meant = {head: attribute_property(label) for head, label in first.items()}
        agree, labelled = agreement(meant, truth)
        rows.append(
            LabelTruth(
                method=method,
                labelled=labelled,
                agree=agree,
                hold=sum(_holds(by_id[head], one) for head, one in meant.items() if one),
                properties=len({one for one in first.values() if one}),
                chance=round(agreement_by_chance(meant, truth), 4) if labelled else None,
                same_label=round(
                    sum(first[head] == second[head] for head in first) / len(first), 4
                ),
            )
        )
    same = [
        len(set(a[:3]) & set(b[:3])) / 3 for a, b in zip(over[0].picks, over[1].picks, strict=True)
    ]
    return rows, round(sum(same) / len(same), 4)


@dataclass(frozen=True)
class _Labelled:
    labels: dict[str, list[str | None]]
    """By method, a label for each head."""
    picks: list[list[int]]
    """TEXTSPAN's picks of each head."""


def _labels_over(
    scenes: KnownScenes, pool: Sequence[Description], texts: Tensor, basis: Tensor
) -> _Labelled:
    """Label all heads over a gallery of these scenes, as a build over it would."""
    picks = []
    coordinates = scenes.coordinates[:GALLERY]
    for head in range(coordinates.shape[1]):
        covariance = torch.cov(coordinates[:, head].double().T, correction=0)
        chosen = textspan(covariance, texts.double() @ basis[head].double(), PICKS)
        picks.append([pick.index for pick in chosen])
    attributes = {name: values[:GALLERY] for name, values in scenes.attributes.items()}
    told = tell_questions(coordinates, scenes.embeddings(basis)[:GALLERY], texts, questions(pool))
    return _Labelled(
        labels={
            "descriptions": [label_head([pool[row] for row in rows]).text for rows in picks],
            "neighbours": [neighbour_label(one).text for one in told],
            "top images": [
                property_of(property_of_images(shown, attributes))
                for shown in _strongest(coordinates)
            ],
        },
        picks=picks,
    )


def _strongest(coordinates: Tensor) -> list[list[int]]:
    """For each head the images farthest out along the direction in which it varies most."""
    shown = []
    for head in range(coordinates.shape[1]):
        deviations = coordinates[:, head] - coordinates[:, head].mean(dim=0)
        _, _, directions = torch.linalg.svd(deviations, full_matrices=False)
        shown.append((deviations @ directions[0]).topk(SHOWN_IMAGES).indices.tolist())
    return shown


def _holds(head: HeadTruth, meant: str) -> bool:
    """Whether a head tells what a property stands for with a large gain."""
    gains = [one.gain for one in head.separations if property_of(one.attribute) == meant]
    return max(gains) >= LARGE_GAIN
