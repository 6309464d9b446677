"""The stage `relatives`: for each head the most similar heads of its model.

They are found by linear CKA of what they write, over a sample of the gallery, and by their
descriptions. `relatives_across.py` compares the heads of different models in the same way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.bundle.disk.hashing import sha256_file, sha256_json
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.pool import PoolRecord, TextSpanRecord
from clipheads.bundle.relatives import (
    HeadRelatives,
    ModelRelatives,
    OwnRelatives,
    OwnRelativesRecord,
    Relative,
)
from clipheads.maths.similarity import (
    HeadKernels,
    chance_cka,
    head_kernels,
    linear_cka,
    overlaps,
)
from clipheads.stages.contributions import COORDINATES
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.rounding import rounded
from clipheads.stages.sampling import evenly_spread
from clipheads.stages.store import RecordFile, Store
from clipheads.stages.text_span import TEXTSPAN
from clipheads.stages.texts import POOL

COMPARED_IMAGES = 1000
"""CKA is taken over at most so many images, evenly spread over the gallery: its cost grows with
their square."""
RELATIVES = 6
"""Relatives of a head in one model, by CKA and by descriptions."""
HIGH = 0.95
"""The quantile that tells what is a high CKA among the heads of a model."""
CKA_DECIMALS = 3
"""Of the values that a head's record has for all heads."""

OWN_RELATIVES = RecordFile("relatives.json", OwnRelativesRecord)

Weights = Mapping[str, float]
"""Texts or properties of a head, by the share of variance that they explain; they sum to 1."""


@dataclass(frozen=True, eq=False)
class ComparedHeads:
    """The heads of a model, as they are compared with each other or with those of another."""

    ids: Sequence[str]
    kernels: HeadKernels
    texts: Sequence[Weights]
    properties: Sequence[Weights]


def compared_heads(
    coordinates: Tensor, textspan: TextSpanRecord, pool: PoolRecord
) -> ComparedHeads:
    """What is compared of a model.

    Args:
        coordinates: [images, heads, r] of the whole gallery.
        textspan: the descriptions of each head, in the same order of heads.
        pool: the texts that they were picked from.
    """
    sample = evenly_spread(len(coordinates), COMPARED_IMAGES)
    texts: list[Weights] = []
    properties: list[Weights] = []
    for picks in textspan.root.values():
        whole = sum(max(0.0, pick.share) for pick in picks) or 1.0
        by_text: dict[str, float] = {}
        by_property: dict[str, float] = {}
        for pick in picks:
            row, weight = pool.texts[pick.index], max(0.0, pick.share) / whole
            by_text[row.text] = by_text.get(row.text, 0.0) + weight
            if row.property is not None:
                name = fold_label(row.property)
                by_property[name] = by_property.get(name, 0.0) + weight
        texts.append(by_text)
        properties.append(by_property)
    return ComparedHeads(list(textspan.root), head_kernels(coordinates[sample]), texts, properties)


def relatives_of(
    heads: ComparedHeads, others: ComparedHeads, cka: Tensor
) -> dict[str, HeadRelatives]:
    """For each of `heads` its relatives among `others`, which may be the same.

    Args:
        heads: of a model.
        others: of the same or of another model, over the same images.
        cka: [heads, others].
    """
    chance = chance_cka(heads.kernels, others.kernels)
    texts = overlaps(heads.texts, others.texts)
    properties = overlaps(heads.properties, others.properties)

    def compared(row: int, column: int) -> Relative:
        return Relative(
            head=others.ids[column],
            cka=rounded(float(cka[row, column])),
            chance=rounded(float(chance[row, column])),
            texts=rounded(float(texts[row, column])),
            properties=rounded(float(properties[row, column])),
            shared=_shared(heads.texts[row], others.texts[column]),
        )

    found = {}
    for row, identity in enumerate(heads.ids):
        similar, said, meant = (values[row].tolist() for values in (cka, texts, properties))
        columns = [
            column for column in range(len(others.ids)) if others is not heads or column != row
        ]
        # Sorting keeps the order of heads among equals.
        by_cka = sorted(columns, key=lambda column: -similar[column])
        by_descriptions = sorted(
            (column for column in columns if said[column] > 0 or meant[column] > 0),
            key=lambda column: (-said[column], -meant[column], -similar[column]),
        )
        found[identity] = HeadRelatives(
            cka=[round(value, CKA_DECIMALS) for value in similar],
            median=_quantile(cka[row, columns], 0.5),
            by_cka=[compared(row, column) for column in by_cka[:RELATIVES]],
            by_descriptions=[compared(row, column) for column in by_descriptions[:RELATIVES]],
        )
    return found


def _shared(left: Weights, right: Weights) -> list[str]:
    texts = [text for text in left if text in right]
    return sorted(texts, key=lambda text: -min(left[text], right[text]))


def _quantile(values: Tensor, quantile: float) -> float | None:
    return rounded(float(values.quantile(quantile))) if len(values) else None


def _make(store: Store) -> None:
    textspan, pool = store.record(TEXTSPAN), store.record(POOL)
    heads = compared_heads(store.tensor(COORDINATES, "coordinates"), textspan, pool)
    with store.steps(heads.kernels.images, "images") as advance:
        cka = linear_cka(heads.kernels, heads.kernels, advance)
    count = len(heads.ids)
    pairs = cka[tuple(torch.triu_indices(count, count, offset=1))]
    store.write_record(
        OWN_RELATIVES.path,
        OwnRelativesRecord(
            model=ModelRelatives(
                images=heads.kernels.images,
                median=_quantile(pairs, 0.5),
                high=_quantile(pairs, HIGH),
                fingerprint=sha256_json(
                    sha256_file(store.path(COORDINATES)),
                    textspan.model_dump(mode="json"),
                    pool.model_dump(mode="json"),
                ),
            ),
            heads={
                identity: OwnRelatives(**dict(relatives), dimension=rounded(float(dimension)))
                for (identity, relatives), dimension in zip(
                    relatives_of(heads, heads, cka).items(), heads.kernels.dimension, strict=True
                )
            },
        ),
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    for relatives in store.record(OWN_RELATIVES).heads.values():
        yield {"relatives": relatives}


def _of_model(store: Store) -> Fields:
    return {"relatives": store.record(OWN_RELATIVES).model}


relatives = Stage(
    "relatives",
    _make,
    reads=(COORDINATES, TEXTSPAN, POOL),
    writes=(OWN_RELATIVES,),
    settings=(
        "stages.relatives.COMPARED_IMAGES",
        "stages.relatives.RELATIVES",
        "stages.relatives.HIGH",
        "stages.relatives.CKA_DECIMALS",
        "maths.similarity.CONSTANT",
    ),
    part=Part(reads=(OWN_RELATIVES,), heads=_of_heads, model=_of_model),
)
