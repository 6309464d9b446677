"""Whether nearest neighbours share what moves the head: precision@8, beside the whole embedding."""

from collections.abc import Sequence
from statistics import fmean

from torch import Tensor

from clipheads.bundle.ground_truth import HeadTruth, PropertyPrecision
from clipheads.demo_world.truth.observed_scenes import ObservedScenes
from clipheads.truth.neighbour_precision import neighbour_precision, precision_by_chance


def neighbour_truths(
    heads: Sequence[HeadTruth], scenes: ObservedScenes, basis: Tensor
) -> list[PropertyPrecision]:
    """Average the precision@8 of heads by attribute.

    Args:
        heads: with the attribute by which their neighbours are compared.
        scenes: the scenes among which neighbours were looked for.
        basis: [heads, D, r] of all heads.

    Returns:
        A row for each attribute, with the precision of the whole embedding and that of chance.
    """
    whole = scenes.embeddings(basis)
    rows = []
    for attribute in dict.fromkeys(head.neighbours for head in heads):
        found = [head.neighbour_precision for head in heads if head.neighbours == attribute]
        values = scenes.attributes[attribute]
        rows.append(
            PropertyPrecision(
                attribute=attribute,
                heads=len(found),
                precision=round(fmean(found), 4),
                whole_embedding=round(neighbour_precision(whole, values), 4),
                chance=round(precision_by_chance(values), 4),
            )
        )
    return rows
