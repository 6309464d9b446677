"""What is true of a demo CLIP: its heads, labels, neighbours and heat maps against known scenes.

Two disjoint sets of scenes are used. What has to be known beforehand or chosen (the scenes that
vote, the best head) comes from the known scenes; every number is reported on the others.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.bundle import (
    AttributeSeparation,
    Curve,
    Faithfulness,
    GroundTruthRecord,
    HeadTruth,
    ModelRecord,
    PropertyPrecision,
    ZeroShot,
)
from clipheads.decomposition import head_basis
from clipheads.demo_world.captions import (
    PROPERTY_OF_ATTRIBUTE,
    attribute_texts,
    description_pool,
    scene_facts,
)
from clipheads.demo_world.known_scenes import (
    FIRST_ASKED_SEED,
    FIRST_KNOWN_SEED,
    SCENES,
    KnownScenes,
    observe_scenes,
)
from clipheads.demo_world.label_truth import (
    LARGE_GAIN,
    attribute_property,
    label_truths,
    property_of,
)
from clipheads.demo_world.map_truth import CHOOSING_SCENES, MAPPED_SCENES, map_truths
from clipheads.demo_world.scenes import Scene
from clipheads.demo_world.sprites import default_sprites
from clipheads.earlier_bundles import adopt_earlier
from clipheads.errors import AtlasError
from clipheads.locking import locked
from clipheads.models import ClipModel, embed_texts, load_model
from clipheads.owned_files import settle
from clipheads.progress import Progress, Silent
from clipheads.stages import Outcome, run_stage, stage_key
from clipheads.text_span import textspan
from clipheads.truth.faithfulness import (
    Question,
    accuracy,
    accuracy_by_ablation,
    accuracy_by_descriptions,
    importance,
    span_basis,
)
from clipheads.truth.neighbour_precision import neighbour_precision, precision_by_chance
from clipheads.truth.separation import separation

VERSION = 1
"""Raised when the same model and scenes would give other numbers."""

SCORED_LAYERS = 4
MOST_PICKS = 20
ASKED = ("object", "colour", "pattern", "backdrop", "style")
"""The questions by which faithfulness is judged."""


def write_ground_truth(
    name: str, bundle: Path, *, device: str = "auto", progress: Progress | None = None
) -> Outcome:
    """Measure a model of the demo world and write `ground-truth.json` beside its bundle.

    Nothing is done if bundle and method are those of the last time.

    Args:
        name: the model as `load_model` takes it.
        bundle: folder of its finished bundle.
        device: `auto`, or a device of torch.
        progress: told about the scenes.

    Raises:
        AtlasError: if the bundle is not finished, or holds fewer than all layers.
    """
    file = bundle / "model.json"
    if not file.exists():
        raise AtlasError(f"{bundle}: no finished bundle there; run `head-atlas demo` first")
    record = ModelRecord.model_validate_json(file.read_bytes())
    if len(record.layers) < record.architecture.layers:
        raise AtlasError(f"{bundle}: built with --layers last4; the truth needs all layers")

    def make(scratch: Path) -> None:
        measured = measure_ground_truth(load_model(name, device=device), bundle, progress)
        (scratch / "ground-truth.json").write_text(
            measured.model_dump_json(indent=1) + "\n", encoding="utf-8"
        )

    key = stage_key("ground truth", VERSION, hashlib.sha256(file.read_bytes()).hexdigest())
    with locked(bundle.parent):
        adopt_earlier(bundle)
        settle(bundle)
        return run_stage(bundle, "ground truth", key, make)


def measure_ground_truth(
    model: ClipModel, bundle: Path, progress: Progress | None = None
) -> GroundTruthRecord:
    """Measure a model of the demo world whose bundle is finished.

    Args:
        model: the model of the bundle.
        bundle: its folder, all layers built.
        progress: told about the scenes.
    """
    progress = progress or Silent()
    record = ModelRecord.model_validate_json((bundle / "model.json").read_bytes())
    basis = head_basis(model).flatten(0, 1).cpu()
    with progress.stage(
        "ground truth", 2 * (SCENES + MAPPED_SCENES + CHOOSING_SCENES), "scenes"
    ) as advance:
        known, asked = (
            observe_scenes(model, range(first, first + SCENES), advance)
            for first in (FIRST_KNOWN_SEED, FIRST_ASKED_SEED)
        )
        maps = [row for one in (1, 2) for row in map_truths(model, basis, one, advance)]
    heads = _heads(record, known, asked)
    scored = range(record.architecture.layers - SCORED_LAYERS, record.architecture.layers)
    places = [place for place, head in enumerate(record.heads) if head.layer in scored]
    share, separated = _separating([heads[place] for place in places])
    pool = description_pool(default_sprites())
    texts = embed_texts(model, [one.text for one in pool])
    labels, same_first = label_truths(heads, pool, texts, basis, known, asked)
    return GroundTruthRecord(
        known_scenes=SCENES,
        asked_scenes=SCENES,
        zero_shot=_zero_shot(model, basis, asked, places),
        heads=heads,
        scored_layers=list(scored),
        separating_share=share,
        separated_properties=separated,
        labels=labels,
        same_first_descriptions=same_first,
        neighbours=_neighbours(heads, basis, asked),
        maps=maps,
        faithfulness=_faithfulness(model, bundle, basis, asked, places, record),
    )


def _heads(record: ModelRecord, known: KnownScenes, asked: KnownScenes) -> list[HeadTruth]:
    heads = []
    for place, head in enumerate(record.heads):
        told = {
            name: separation(
                known.coordinates[:, place],
                known.attributes[name],
                asked.coordinates[:, place],
                asked.attributes[name],
            )
            for name in known.attributes
        }
        best = max(told, key=lambda name: told[name].gain)
        meant = attribute_property(head.label)
        attribute = next(
            (name for name, one in PROPERTY_OF_ATTRIBUTE.items() if one == meant),
            "category" if meant else None,
        )
        heads.append(
            HeadTruth(
                id=head.id,
                variance_share=head.variance_share,
                separations=[
                    AttributeSeparation(
                        attribute=name,
                        accuracy=round(one.accuracy, 4),
                        chance=round(one.chance, 4),
                        gain=round(one.gain, 4),
                    )
                    for name, one in told.items()
                ],
                property=property_of(best),
                label=head.label,
                label_attribute=attribute,
                agrees=None if meant is None else meant == property_of(best),
                neighbour_precision=None
                if attribute is None
                else round(
                    neighbour_precision(asked.coordinates[:, place], asked.attributes[attribute]), 4
                ),
            )
        )
    return heads


def _separating(heads: Sequence[HeadTruth]) -> tuple[float, list[str]]:
    """Share of the heads' variance in those with a large gain, and their properties."""
    good = [head for head in heads if max(one.gain for one in head.separations) >= LARGE_GAIN]
    whole = sum(head.variance_share for head in heads)
    share = sum(head.variance_share for head in good) / whole
    return round(share, 4), sorted({head.property for head in good})


def _neighbours(
    heads: Sequence[HeadTruth], basis: Tensor, asked: KnownScenes
) -> list[PropertyPrecision]:
    """Precision at 8 of the heads with each label, beside the whole embedding and chance."""
    whole = asked.embeddings(basis)
    rows = []
    for attribute in dict.fromkeys(head.label_attribute for head in heads):
        if attribute is None:
            continue
        found = [
            head.neighbour_precision
            for head in heads
            if head.label_attribute == attribute and head.neighbour_precision is not None
        ]
        values = asked.attributes[attribute]
        rows.append(
            PropertyPrecision(
                property=property_of(attribute),
                heads=len(found),
                precision=round(sum(found) / len(found), 4),
                whole_embedding=round(neighbour_precision(whole, values), 4),
                chance=round(precision_by_chance(values), 4),
            )
        )
    return rows


def _questions(model: ClipModel, scenes: Sequence[Scene]) -> dict[str, Question]:
    """The zero-shot question about each attribute, with its answers for some scenes."""
    facts = [scene_facts(scene) for scene in scenes]
    return {
        attribute: Question(
            embed_texts(model, list(texts.values())),
            torch.tensor([[(attribute, value) in shown for value in texts] for shown in facts]),
        )
        for attribute, texts in attribute_texts(default_sprites()).items()
    }


def _zero_shot(
    model: ClipModel, basis: Tensor, asked: KnownScenes, places: Sequence[int]
) -> list[ZeroShot]:
    whole = asked.embeddings(basis)
    chosen = list(places)
    heads = torch.einsum("nhr,hdr->nd", asked.coordinates[:, chosen], basis[chosen])
    alone = heads + (whole - heads).mean(dim=0)
    return [
        ZeroShot(
            question=name,
            accuracy=round(accuracy(whole, question), 4),
            heads_alone=round(accuracy(alone, question), 4),
        )
        for name, question in _questions(model, asked.scenes).items()
    ]


def _faithfulness(
    model: ClipModel,
    bundle: Path,
    basis: Tensor,
    asked: KnownScenes,
    places: Sequence[int],
    record: ModelRecord,
) -> Faithfulness:
    chosen = list(places)
    coordinates, bases = asked.coordinates[:, chosen], basis[chosen]
    heads = torch.einsum("nhr,hdr->nd", coordinates, bases)
    rest = (asked.embeddings(basis) - heads).mean(dim=0)
    every = _questions(model, asked.scenes)
    posed = {name: every[name] for name in ASKED}

    # Another release of torch may have found another basis for the bundle than for the scenes.
    bundle_basis = load_file(bundle / "basis.safetensors")["basis"]
    covariances = load_file(bundle / "statistics.safetensors")["covariance"]
    texts = load_file(bundle / "descriptions.safetensors")["embeddings"]
    rng = np.random.default_rng(0)
    projected = [texts @ bases[head] for head in range(len(chosen))]
    picked = [
        [
            pick.index
            for pick in textspan(covariances[place], texts @ bundle_basis[place], MOST_PICKS)
        ]
        for place in chosen
    ]
    drawn = [rng.permutation(len(texts))[:MOST_PICKS].tolist() for _ in chosen]

    def curves(orders: Sequence[Sequence[int]]) -> list[Curve]:
        by_k = [
            [span_basis(projected[head], orders[head], k) for head in range(len(chosen))]
            for k in range(1, MOST_PICKS + 1)
        ]
        return [
            Curve(
                name=name,
                values=[
                    round(accuracy_by_descriptions(coordinates, bases, rest, spans, question), 4)
                    for spans in by_k
                ],
            )
            for name, question in posed.items()
        ]

    weights = importance(coordinates, bases, rest, list(posed.values()))
    order = weights.argsort().tolist()
    return Faithfulness(
        by_descriptions=curves(picked),
        by_random_texts=curves(drawn),
        untouched=[
            Curve(name=name, values=[round(accuracy(heads + rest, question), 4)])
            for name, question in posed.items()
        ],
        by_ablation=[
            Curve(
                name=name,
                values=[
                    round(value, 4)
                    for value in accuracy_by_ablation(coordinates, bases, rest, order, question)
                ],
            )
            for name, question in posed.items()
        ],
        ablated=[record.heads[chosen[head]].id for head in order],
    )
