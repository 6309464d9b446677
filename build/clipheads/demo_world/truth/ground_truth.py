"""What is true of a demo CLIP: its heads, labels, neighbours and heat maps against known scenes.

What moves a head is measured by intervention on scenes by which nothing was chosen. The labels
judged by it are those of the bundle, which come from its gallery. What has to be chosen beforehand,
the order of the heads by importance and the heads that draw the best maps, is chosen on other
scenes. Only the stability of labels and descriptions is about these.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import settle
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.ground_truth import (
    CausalEffect,
    Curve,
    Faithfulness,
    GroundTruthRecord,
    HeadTruth,
    LabelTruth,
    PropertyPrecision,
    ZeroShot,
)
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.pool import PoolRecord
from clipheads.bundle.progress import Progress, Silent
from clipheads.demo_world.truth.causes import (
    LEAD,
    PROPERTY_OF_GROUP,
    Causes,
    TrueProperty,
    measure_causes,
    scenes_needed,
    true_properties,
)
from clipheads.demo_world.truth.interventions import GROUPS
from clipheads.demo_world.truth.label_truth import (
    LabelledGallery,
    Labels,
    is_right,
    label_by_methods,
    label_truth,
)
from clipheads.demo_world.truth.map_truth import CHOOSING_SCENES, MAPPED_SCENES, map_truths
from clipheads.demo_world.truth.observed_scenes import ObservedScenes, observe_scenes
from clipheads.demo_world.world import gallery as demo_gallery
from clipheads.demo_world.world.captions import Fact, attribute_texts, scene_attributes, scene_facts
from clipheads.demo_world.world.scenes import Scene, sample_scene
from clipheads.demo_world.world.sprites import default_sprites
from clipheads.maths.decomposition import head_basis
from clipheads.maths.text_span import Pick, textspan
from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model
from clipheads.model.text import embed_texts
from clipheads.stages.earlier_bundles import adopt_earlier
from clipheads.stages.engine import Outcome, run_stage
from clipheads.texts.pools import Description
from clipheads.truth.faithfulness import (
    Question,
    accuracy,
    accuracy_by_ablation,
    accuracy_by_descriptions,
    commonest_answer,
    importance,
    span_basis,
)
from clipheads.truth.neighbour_precision import neighbour_precision, precision_by_chance
from clipheads.truth.profile_agreement import profile_agreement, rank_correlations

VERSION = 2
"""Raised when the same model and scenes would give other numbers."""

FIRST_REFERENCE_SEED = 600_000
FIRST_TEST_SEED = 700_000
"""None of the scenes of these seeds is trained on or shown in a gallery. By those of the reference
seeds the default labeller and its thresholds were chosen, too."""

PAIRS = 400
CHANGES = 150
REFERENCE_SCENES = 480
"""As many as the demo gallery has images, for the labels over another gallery."""

SCORED_LAYERS = 4
MOST_PICKS = 20


class _Bundle(NamedTuple):
    """What is measured, as it lies on disk."""

    model: ModelRecord
    heads: list[HeadRecord]
    images: list[str]
    pool: PoolRecord
    arrays: dict[str, Tensor]
    """Coordinates, embeddings, bases, covariances and text embeddings."""


def write_ground_truth(
    name: str, bundle: Path, *, device: str = "auto", progress: Progress | None = None
) -> Outcome:
    """Measure a model of the demo world and write `ground-truth.json` into its bundle.

    Nothing is done if bundle and method are those of the last time.

    Args:
        name: the model as `load_model` takes it.
        bundle: folder of its finished bundle over the demo gallery.
        device: `auto`, or a device of torch.
        progress: told about the scenes.

    Raises:
        AtlasError: if the bundle is not finished, holds fewer than all layers, or belongs to other
            weights or another gallery.
    """
    file = bundle / "model.json"
    if not file.exists():
        raise AtlasError(f"{bundle}: no finished bundle there; run `head-atlas demo` first")
    record = read_record(file, ModelRecord)
    if len(record.layers) < record.architecture.layers:
        raise AtlasError(f"{bundle}: built with --layers last4; the truth needs all layers")

    def make(scratch: Path) -> None:
        measured = measure_ground_truth(load_model(name, device=device), bundle, progress)
        (scratch / "ground-truth.json").write_text(
            measured.model_dump_json(indent=1) + "\n", encoding="utf-8"
        )

    settings = [PAIRS, CHANGES, REFERENCE_SCENES, MOST_PICKS, MAPPED_SCENES, CHOOSING_SCENES]
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    key = sha256_json("ground truth", VERSION, settings, name, content)
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

    Raises:
        AtlasError: if the bundle is of other weights, or its gallery is not the demo world's.
    """
    progress = progress or Silent()
    built = _read_bundle(bundle)
    if built.model.weights.sha256 != model.weights.sha256:
        raise AtlasError(
            f"{bundle}: built with other weights than those of {model.name}; name the model that it"
            " was built with, or build it again"
        )
    shown = _gallery_scenes(bundle, built.images)
    basis = head_basis(model).flatten(0, 1).cpu()
    reference_seeds = range(FIRST_REFERENCE_SEED, FIRST_REFERENCE_SEED + REFERENCE_SCENES)
    scenes = scenes_needed(PAIRS, CHANGES) + REFERENCE_SCENES
    scenes += 2 * (MAPPED_SCENES + CHOOSING_SCENES)
    with progress.stage("ground truth", scenes, "scenes") as advance:
        reference = observe_scenes(model, [sample_scene(one) for one in reference_seeds], advance)
        causes = measure_causes(model, FIRST_TEST_SEED, PAIRS, CHANGES, advance)
        maps = [row for objects in (1, 2) for row in map_truths(model, basis, objects, advance)]
    layers = built.model.architecture.layers
    scored = range(layers - SCORED_LAYERS, layers)
    places = [place for place, head in enumerate(built.heads) if head.layer in scored]
    totals = {name: one.total for name, one in causes.groups.items()}
    truths = true_properties(totals, causes.attributes)
    labels, same_first = _labels(built, shown, reference, basis, truths, causes, places)
    heads = _heads(built, shown, causes, truths)
    effects = _profile_effects(built)
    return GroundTruthRecord(
        weights_sha256=built.model.weights.sha256,
        gallery_sha256=built.model.gallery_sha256,
        pairs=PAIRS,
        passed_over=causes.passed_over,
        changes=CHANGES,
        reference_scenes=REFERENCE_SCENES,
        lead=LEAD,
        zero_shot=_zero_shot(model, basis, causes.scenes, places),
        heads=heads,
        scored_layers=list(scored),
        labels=labels,
        same_first_descriptions=same_first,
        neighbours=_neighbours([heads[place] for place in places], basis, causes.scenes),
        maps=maps,
        faithfulness=_faithfulness(model, built, basis, reference, causes.scenes, places),
        agreement=profile_agreement(
            effects,
            {
                head.id: None if head.property is None else PROPERTY_OF_GROUP[head.groups[0].name]
                for head in heads
            },
        )
        if effects
        else [],
        correlations=rank_correlations(
            effects,
            {
                head.id: {PROPERTY_OF_GROUP[one.name]: one.total for one in head.groups}
                for head in heads
            },
        )
        if effects
        else [],
    )


def _read_bundle(bundle: Path) -> _Bundle:
    model = read_record(bundle / "model.json", ModelRecord)
    manifest = read_record(bundle.parent / "gallery" / "manifest.json", GalleryManifest)
    gallery = load_file(bundle / "coordinates.safetensors")
    return _Bundle(
        model,
        [read_record(bundle / "heads" / f"{head.id}.json", HeadRecord) for head in model.heads],
        [image.id for image in manifest.images],
        read_record(bundle / "pool.json", PoolRecord),
        {
            "coordinates": gallery["coordinates"],
            "embeddings": gallery["embeddings"],
            # Another release of torch may have found another basis for the bundle than for scenes.
            "basis": load_file(bundle / "basis.safetensors")["basis"],
            "covariance": load_file(bundle / "statistics.safetensors")["covariance"],
            "texts": load_file(bundle / "descriptions.safetensors")["embeddings"],
        },
    )


def _gallery_scenes(bundle: Path, images: Sequence[str]) -> list[Scene]:
    """The scenes of a bundle's gallery, in its order."""
    scenes = {f"scene-{scene.seed:05d}": scene for scene in demo_gallery.choose_scenes()}
    if unknown := [image for image in images if image not in scenes]:
        raise AtlasError(
            f"{bundle}: its gallery is not that of the demo world ({unknown[0]} is no scene of it);"
            " only of drawn scenes the truth is known"
        )
    return [scenes[image] for image in images]


def _labels(
    built: _Bundle,
    shown: Sequence[Scene],
    reference: ObservedScenes,
    basis: Tensor,
    truths: Sequence[TrueProperty],
    causes: Causes,
    places: Sequence[int],
) -> tuple[list[LabelTruth], float]:
    """Judge the labels of the bundle, and those of every method over its gallery."""
    ids = [head.id for head in built.heads]
    pool = [Description(row.text, row.property) for row in built.pool.texts]
    attributes = [scene_attributes(scene) for scene in shown]
    galleries = [
        (
            LabelledGallery(
                built.arrays["coordinates"],
                built.arrays["embeddings"],
                {name: [one[name] for one in attributes] for name in attributes[0]},
            ),
            built.arrays["basis"],
        ),
        (
            LabelledGallery(
                reference.coordinates, reference.embeddings(basis), reference.attributes
            ),
            basis,
        ),
    ]
    (labels, picks), (elsewhere, other_picks) = (
        label_by_methods(gallery, one, built.arrays["texts"], pool, built.pool.parents, ids)
        for gallery, one in galleries
    )
    truth: Labels = {ids[place]: truths[place].property for place in places}
    variance = {head: float(one) for head, one in zip(ids, causes.variance, strict=True)}
    published: Labels = {head.id: head.label.text for head in built.heads}
    judged = [label_truth("published", published, truth, variance, built.pool.parents)]
    judged += [
        label_truth(name, found, truth, variance, built.pool.parents, elsewhere[name])
        for name, found in labels.items()
    ]
    return judged, _same_first(picks, other_picks)


def _same_first(picks: Sequence[Sequence[Pick]], others: Sequence[Sequence[Pick]]) -> float:
    """Share of the first three descriptions of all heads that both lists of picks have."""
    same = [
        len({one.index for one in a[:3]} & {one.index for one in b[:3]}) / 3
        for a, b in zip(picks, others, strict=True)
    ]
    return round(sum(same) / len(same), 4)


def _heads(
    built: _Bundle, shown: Sequence[Scene], causes: Causes, truths: Sequence[TrueProperty]
) -> list[HeadTruth]:
    variances = {head.id: head.variance_share for head in built.model.heads}
    facts = {image: scene_facts(scene) for image, scene in zip(built.images, shown, strict=True)}
    fact_of_text = {
        text: (attribute, value)
        for attribute, texts in attribute_texts(default_sprites()).items()
        for value, text in texts.items()
    }
    heads = []
    for place, (head, truth) in enumerate(zip(built.heads, truths, strict=True)):
        label, found = head.label.text, truth.property
        compared = _compared_attribute(truth)
        heads.append(
            HeadTruth(
                id=head.id,
                variance_share=variances[head.id],
                groups=_ordered(
                    CausalEffect(
                        name=name,
                        total=round(float(one.total.value[place]), 4),
                        low=round(float(one.total.low[place]), 4),
                        high=round(float(one.total.high[place]), 4),
                        first_order=round(float(one.first_order.value[place]), 4),
                    )
                    for name, one in causes.groups.items()
                ),
                attributes=_ordered(
                    CausalEffect(
                        name=name,
                        total=round(float(causes.attributes[name].value[place]), 4),
                        low=round(float(causes.attributes[name].low[place]), 4),
                        high=round(float(causes.attributes[name].high[place]), 4),
                    )
                    for name in GROUPS[truth.group]
                ),
                property=found,
                label=label,
                right=None
                if label is None or found is None
                else is_right(label, found, built.pool.parents),
                hits=[
                    _hits(
                        fact_of_text.get(one.text), [near.image for near in one.neighbours], facts
                    )
                    for one in head.descriptions
                ],
                neighbours=compared,
                neighbour_precision=round(
                    neighbour_precision(
                        causes.scenes.coordinates[:, place], causes.scenes.attributes[compared]
                    ),
                    4,
                ),
            )
        )
    return heads


def _profile_effects(built: _Bundle) -> dict[str, dict[str, float]]:
    """The effect of each transform of pictures on each head; empty without a profile."""
    if built.model.profile is None:
        return {}
    names = [transform.name for transform in built.model.profile.transforms]
    return {
        head.id: dict(zip(names, (effect.effect for effect in head.profile.effects), strict=True))
        for head in built.heads
        if head.profile is not None
    }


def _ordered(effects: Iterable[CausalEffect]) -> list[CausalEffect]:
    return sorted(effects, key=lambda one: -one.total)


def _compared_attribute(truth: TrueProperty) -> str:
    """The attribute in which a head's neighbours are compared: scenes rarely share an object."""
    attribute = truth.attribute or truth.group
    return "category" if attribute == "object" else attribute


def _hits(
    fact: tuple[str, str] | None, images: Sequence[str], facts: Mapping[str, frozenset[Fact]]
) -> int | None:
    return None if fact is None else sum(fact in facts[image] for image in images)


def _neighbours(
    heads: Sequence[HeadTruth], basis: Tensor, scenes: ObservedScenes
) -> list[PropertyPrecision]:
    """Precision at 8 of the heads by attribute, beside the whole embedding and chance."""
    whole = scenes.embeddings(basis)
    rows = []
    for attribute in dict.fromkeys(head.neighbours for head in heads):
        found = [head.neighbour_precision for head in heads if head.neighbours == attribute]
        values = scenes.attributes[attribute]
        rows.append(
            PropertyPrecision(
                attribute=attribute,
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
    model: ClipModel, basis: Tensor, scenes: ObservedScenes, places: Sequence[int]
) -> list[ZeroShot]:
    whole = scenes.embeddings(basis)
    chosen = list(places)
    heads = torch.einsum("nhr,hdr->nd", scenes.coordinates[:, chosen], basis[chosen])
    alone = heads + (whole - heads).mean(dim=0)
    return [
        ZeroShot(
            question=name,
            accuracy=round(accuracy(whole, question), 4),
            heads_alone=round(accuracy(alone, question), 4),
            chance=round(commonest_answer(question), 4),
        )
        for name, question in _questions(model, scenes.scenes).items()
    ]


def _faithfulness(
    model: ClipModel,
    built: _Bundle,
    basis: Tensor,
    reference: ObservedScenes,
    scenes: ObservedScenes,
    places: Sequence[int],
) -> Faithfulness:
    chosen = list(places)
    bases = basis[chosen]
    questions = _questions(model, scenes.scenes)
    names, posed = list(questions), list(questions.values())
    coordinates, rest = _heads_and_rest(scenes, basis, chosen)

    rng = np.random.default_rng(0)
    texts = built.arrays["texts"]
    projected = [texts @ base for base in bases]
    picked = [
        [
            pick.index
            for pick in textspan(
                built.arrays["covariance"][place],
                texts @ built.arrays["basis"][place],
                MOST_PICKS,
            )
        ]
        for place in chosen
    ]
    drawn = [rng.permutation(len(texts))[:MOST_PICKS].tolist() for _ in chosen]

    def curves(orders: Sequence[Sequence[int]]) -> list[Curve]:
        by_k = [
            accuracy_by_descriptions(
                coordinates,
                bases,
                rest,
                [span_basis(projected[head], orders[head], k) for head in range(len(chosen))],
                posed,
            )
            for k in range(1, MOST_PICKS + 1)
        ]
        return _curves(names, zip(*by_k, strict=True))

    untouched = accuracy_by_ablation(coordinates, bases, rest, [], posed)
    before, rest_before = _heads_and_rest(reference, basis, chosen)
    weights = importance(
        before, bases, rest_before, list(_questions(model, reference.scenes).values())
    )
    order = weights.argsort().tolist()
    return Faithfulness(
        by_descriptions=curves(picked),
        by_random_texts=curves(drawn),
        untouched=_curves(names, untouched),
        by_ablation=_curves(names, accuracy_by_ablation(coordinates, bases, rest, order, posed)),
        ablated=[built.heads[chosen[head]].id for head in order],
    )


def _heads_and_rest(
    scenes: ObservedScenes, basis: Tensor, chosen: list[int]
) -> tuple[Tensor, Tensor]:
    """Coordinates [N, heads, r] of some heads, and the mean [D] of everything else."""
    coordinates = scenes.coordinates[:, chosen]
    heads = torch.einsum("nhr,hdr->nd", coordinates, basis[chosen])
    return coordinates, (scenes.embeddings(basis) - heads).mean(dim=0)


def _curves(names: Sequence[str], values: Iterable[Iterable[float]]) -> list[Curve]:
    return [
        Curve(name=name, values=[round(value, 4) for value in curve])
        for name, curve in zip(names, values, strict=True)
    ]
