"""A small but complete bundle, drawn and written with NumPy and Pillow: what the site's tests read.

The pictures are scenes of one shape on a patterned ground, so that neighbours, shares and
heat maps can follow what is really in them.
"""

import hashlib
import json
from itertools import permutations
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from synthetic_ablation import model_ablation
from synthetic_directions import model_directions
from synthetic_head import PROPERTIES, draw_numbers, head_record
from synthetic_relatives import other_relatives
from synthetic_scenes import paint, scene

from clipheads.bundle.contrast import ContrastHead, ContrastMap, ContrastRecord
from clipheads.bundle.gallery import GalleryImage, GalleryManifest, SkippedImage
from clipheads.bundle.images import HeadShare, ImagesRecord, ZeroShotAnswer
from clipheads.bundle.labels import LabellerRecord
from clipheads.bundle.model import (
    Architecture,
    HeadSummary,
    ModelRecord,
    PropertyQuery,
    PropertyRecord,
    Score,
    Scores,
    Term,
    Weights,
)
from clipheads.bundle.neighbour import Neighbour
from clipheads.bundle.outliers import ModelOutliers
from clipheads.bundle.pool import DescriptionPool
from clipheads.bundle.profile import (
    ModelProfile,
    TransformRecord,
)
from clipheads.bundle.record import Record
from clipheads.bundle.relatives import ModelRelatives, other_relatives_file
from clipheads.maths.scores import concept_consistency, heads_by_consistency

TRANSFORMS = (
    ("grey", "removing colour", "colour", 0.4),
    ("hue", "rotating the hue", "colour", 0.6),
    ("blur", "blurring", "detail", 0.2),
    ("word", "a printed word", "words", 0.3),
)


def _sha256(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def _write_json(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def write_gallery(atlas: Path, images: int) -> GalleryManifest:
    """Draw the pictures and write `gallery/`."""
    folder = atlas / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(images):
        what = scene(number)
        identity = f"scene-{number:04d}"
        paint(what).save(folder / f"{identity}.webp", quality=80, method=2)
        entries.append(
            GalleryImage(
                id=identity,
                title=what.title,
                credit="Drawn for the tests & examples",
                licence="CC0 1.0",
                source=f"scene({number})",
                width=what.size[0],
                height=what.size[1],
            )
        )
    manifest = GalleryManifest(
        title="Drawn scenes",
        sha256=_sha256("gallery", images),
        images=entries,
        skipped=[SkippedImage(file="broken.jpg", reason="truncated")],
    )
    _write_json(folder / "manifest.json", manifest)
    return manifest


def write_model(
    atlas: Path,
    gallery: GalleryManifest,
    name: str = "demo-clip",
    *,
    layers: int = 2,
    heads: int = 3,
    grid: tuple[int, int] = (8, 8),
    picks: int = 10,
    query_images: int = 6,
    image_heads: int = 12,
) -> ModelRecord:
    """Write one model's bundle, with all layers and invented but consistent numbers."""
    rng = np.random.default_rng(len(name) * 1000 + layers * 100 + heads)
    folder = atlas / name
    names = [(layer, head) for layer in range(layers) for head in range(heads)]
    numbers = draw_numbers(gallery, len(names), grid, rng)
    ids, strength, mean = numbers.ids, numbers.strength, numbers.strength.mean(0)
    count = len(ids)

    profile = ModelProfile(
        images=count,
        words=["boat", "house"],
        transforms=[
            TransformRecord(name=name, title=title, group=group, mean=mean)
            for name, title, group, mean in TRANSFORMS
        ],
        stands_out=2.0,
        reads=0.5,
    )
    summaries: list[HeadSummary] = []
    properties: dict[str, list[str]] = {}
    weights = rng.dirichlet(np.full(len(names), 0.5)) * 0.8
    for position, (layer, head) in enumerate(names):
        record = head_record(
            numbers,
            position,
            layer=layer,
            head=head,
            heads=heads,
            variance_share=float(weights[position]),
            profile=profile,
            picks=picks,
            query_images=query_images,
        )
        if record.label.text is not None:
            properties.setdefault(record.label.text, []).append(record.id)
        _write_json(folder / "heads" / f"{record.id}.json", record)
        summaries.append(
            HeadSummary(
                id=record.id,
                layer=layer,
                head=head,
                label=record.label.text,
                confidence=record.label.confidence,
                variance_share=record.variance_share,
                mean_share=record.mean_share,
                nearest_cka=record.relatives.by_cka[0].cka if record.relatives.by_cka else None,
                effective_dimension=record.spread.effective_dimension,
                concept_consistency=concept_consistency(
                    record.label.text,
                    [description.matches_label for description in record.descriptions],
                ),
                answers_changed=record.ablation.answers_changed.value
                if record.ablation.answers_changed
                else None,
                direct_effect=record.ablation.direct.value,
                total_effect=record.ablation.total.value,
                first_description=record.descriptions[0].text,
            )
        )
    terms = [Term(kind="input", mean_share=0.04, variance_share=0.01)]
    for layer in range(layers):
        of_layer = [s for s in summaries if s.layer == layer]
        terms += [
            Term(
                kind="attention",
                layer=layer,
                mean_share=sum(s.mean_share for s in of_layer),
                variance_share=sum(s.variance_share for s in of_layer),
            ),
            Term(kind="mlp", layer=layer, mean_share=0.1, variance_share=-0.01),
        ]
    model = ModelRecord(
        name=name,
        architecture=Architecture(
            layers=layers,
            heads=heads,
            d_head=32,
            width=32 * heads,
            embedding_dim=64,
            image_size=64,
            patch_size=64 // grid[0],
            grid=grid,
            quick_gelu=False,
            parameters=2_812_416,
        ),
        weights=Weights(
            source=name.partition("_")[2] or "model.safetensors", sha256=_sha256("weights", name)
        ),
        gallery_sha256=gallery.sha256,
        gallery_images=count,
        pool=DescriptionPool(name="general.csv", count=3498, properties=24, sha256=_sha256("pool")),
        layers=list(range(layers)),
        labeller=LabellerRecord(
            kind="majority", method="Rank-weighted majority of the descriptions' properties."
        ),
        scores=Scores(
            layers=list(range(max(0, layers - 4), layers)),
            heads=min(4, layers) * heads,
            unlabelled=sum(s.label is None for s in summaries if s.layer >= layers - 4),
            entanglement=Score(value=0.417, low=0.25, high=0.583, count=5),
            association=Score(value=0.5, low=0.333, high=0.667, count=6),
            consistency=heads_by_consistency(
                [s.concept_consistency for s in summaries if s.layer >= layers - 4]
            ),
        ),
        heads=summaries,
        terms=terms,
        reconstruction_error=3.1e-7,
        properties=[
            PropertyRecord(
                name=label,
                slug=label.lower(),
                heads=labelled,
                queries=[
                    PropertyQuery(
                        image=ids[i],
                        neighbours=[
                            Neighbour(image=ids[j], score=float(s))
                            for j, s in zip(
                                numbers.order[0, i, :4], numbers.scores[0, i, :4], strict=True
                            )
                        ],
                    )
                    for i in range(min(4, count))
                ],
            )
            for label, labelled in sorted(properties.items())
        ],
        contrasts=[
            ContrastRecord(
                slug="boat-house",
                first="boat",
                second="house",
                maps=[
                    ContrastMap(**dict(numbers.heat(i)), rank=(i + 1) / count)
                    for i in range(min(6, count))
                ],
                heads=[ContrastHead(head=summary.id, share=0.1) for summary in summaries[:2]],
            )
        ],
        relatives=ModelRelatives(
            images=count,
            median=0.2 if len(names) > 1 else None,
            high=0.5 if len(names) > 1 else None,
            fingerprint=_sha256("compared", name, count, layers, heads),
        ),
        ablation=model_ablation([name for name, _ in PROPERTIES]),
        directions=model_directions(),
        outliers=ModelOutliers(images=10, with_outliers=4, patches=640, outliers=6, longest=3.5),
        profile=profile,
        version="0.1.0",
    )
    _write_json(
        folder / "images.json",
        ImagesRecord(
            images={
                identity: [
                    HeadShare(
                        head=summaries[position].id,
                        share=float(strength[i, position]),
                        excess=float(strength[i, position] - mean[position]),
                    )
                    for position in np.argsort(-strength[i], kind="stable")[:image_heads]
                ]
                for i, identity in enumerate(ids)
            },
            answers={
                identity: [
                    ZeroShotAnswer(text="a boat", property="object", cosine=0.31),
                    ZeroShotAnswer(text="in the rain", property=None, cosine=0.22),
                ]
                for identity in ids
            },
        ),
    )
    rank = numbers.coordinates.shape[2]
    basis = np.zeros((len(names), 64, rank), dtype=np.float32)
    basis[:, :rank, :] = np.eye(rank, dtype=np.float32)
    save_file({"basis": basis}, folder / "basis.safetensors")
    save_file(
        {"coordinates": numbers.coordinates, "shares": strength.astype(np.float32)},
        folder / "coordinates.safetensors",
    )
    save_file(
        {"images": numbers.order, "scores": numbers.scores}, folder / "neighbours.safetensors"
    )
    save_file({"maps": np.stack(numbers.maps)}, folder / "heatmaps.safetensors")
    _write_json(folder / "model.json", model)
    return model


def write_bundle(
    atlas: Path,
    *,
    names: tuple[str, ...] = ("demo-clip",),
    images: int = 12,
    layers: int = 2,
    heads: int = 3,
    grid: tuple[int, int] = (8, 8),
) -> Path:
    """Write a gallery and a bundle for each name; returns the atlas folder."""
    gallery = write_gallery(atlas, images)
    for name in names:
        write_model(atlas, gallery, name, layers=layers, heads=heads, grid=grid)
    for name, other in permutations(names, 2):
        write_other_relatives(atlas, name, other)
    return atlas


def write_other_relatives(atlas: Path, name: str, other: str) -> None:
    """Compare a model of an atlas with another one."""
    model, others = (
        ModelRecord.model_validate_json((atlas / one / "model.json").read_bytes())
        for one in (name, other)
    )
    coordinates, theirs = (
        load_file(atlas / one / "coordinates.safetensors")["coordinates"] for one in (name, other)
    )
    _write_json(
        atlas / name / other_relatives_file(other),
        other_relatives(model, others, coordinates, theirs),
    )


def edit_json(path: Path, **changes: object) -> None:
    """Replace top-level fields of a JSON file, to make a bundle that something is wrong with."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")
