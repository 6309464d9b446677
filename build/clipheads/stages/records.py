"""The stage `records`: what pages show of each head, each image and the model.

Each analysis adds its own part, see `Part`; what belongs to none of them is here.
"""

from collections.abc import Sequence
from importlib.metadata import version

from clipheads.bundle.head import HeadRecord
from clipheads.bundle.images import HeadShare, ImagesRecord
from clipheads.bundle.model import HeadSummary, ModelRecord, Scores
from clipheads.bundle.names import head_id
from clipheads.maths.neighbours import top_k
from clipheads.maths.scores import (
    association,
    concept_consistency,
    entanglement,
    heads_by_consistency,
)
from clipheads.stages import image_answers as of_images
from clipheads.stages import properties as of_properties
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.contributions import COORDINATES, excess
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.image_answers import image_answers
from clipheads.stages.properties import properties
from clipheads.stages.rounding import rounded
from clipheads.stages.store import File, RecordFile, Store
from clipheads.stages.texts import POOL
from clipheads.texts.pools import Description, pool_record

HEADS_OF_AN_IMAGE = 12
SCORED_LAYERS = 4
BUILT_BY = version("clip-head-atlas")

MODEL_RECORD = RecordFile("model.json", ModelRecord)
IMAGES_RECORD = RecordFile("images.json", ImagesRecord)
HEAD_RECORDS = File("heads/*.json")


def head_file(head: tuple[int, int]) -> str:
    """The path of a head's record."""
    return f"heads/{head_id(*head)}.json"


def head_summary(record: HeadRecord) -> HeadSummary:
    """Shorten a head's record to what the model page shows."""
    answers = record.ablation.answers_changed
    return HeadSummary(
        id=record.id,
        layer=record.layer,
        head=record.head,
        label=record.label.text,
        confidence=record.label.confidence,
        variance_share=record.variance_share,
        mean_share=record.mean_share,
        effective_dimension=record.spread.effective_dimension,
        concept_consistency=_consistency(record),
        nearest_cka=record.relatives.by_cka[0].cka if record.relatives.by_cka else None,
        answers_changed=None if answers is None else answers.value,
        direct_effect=record.ablation.direct.value,
        total_effect=record.ablation.total.value,
        first_description=record.descriptions[0].text if record.descriptions else "",
    )


def scores_of(heads: Sequence[HeadRecord], layers: int) -> Scores:
    """Score the heads of the last four of `layers` layers."""
    scored_layers = list(range(max(0, layers - SCORED_LAYERS), layers))
    scored = [head for head in heads if head.layer in scored_layers]
    labels = [head.label.text for head in scored]
    matching = [sum(row.matches_label for row in head.descriptions) for head in scored]
    return Scores(
        layers=scored_layers,
        heads=len(scored),
        unlabelled=labels.count(None),
        entanglement=entanglement(labels),
        association=association(labels, matching),
        consistency=heads_by_consistency([_consistency(head) for head in scored]),
    )


def _consistency(head: HeadRecord) -> int:
    return concept_consistency(head.label.text, [row.matches_label for row in head.descriptions])


def records_stage(analyses: Sequence[Stage]) -> Stage:
    """Return the stage that joins the parts of `analyses`."""
    parts = [stage.part for stage in analyses if stage.part is not None]

    def make(store: Store) -> None:
        heads = _write_heads(store, parts)
        store.write_record(IMAGES_RECORD.path, _images_record(store))
        store.write_record(MODEL_RECORD.path, _model_record(store, heads, parts))

    return Stage(
        "records",
        make,
        reads=(
            *(file for part in parts for file in part.reads),
            *of_properties.READS,  # and of these the checkpoint, the manifest and coordinates
            *of_images.READS,  # and of these the pool
        ),
        writes=(MODEL_RECORD, IMAGES_RECORD, HEAD_RECORDS),
        settings=(
            "bundle.record.FORMAT",
            "stages.records.BUILT_BY",
            "stages.records.HEADS_OF_AN_IMAGE",
            "stages.records.SCORED_LAYERS",
            "maths.scores.Z",
            "bundle.model.MATCHES_NEEDED",
            "bundle.model.CONSISTENCY_TEXTS",
            *of_properties.SETTINGS,
            *of_images.SETTINGS,
            *(setting for part in parts for setting in part.settings),
        ),
        version=3,
        seals=(MODEL_RECORD,),
    )


def _write_heads(store: Store, parts: Sequence[Part]) -> list[HeadRecord]:
    heads = store.record(CHECKPOINT).heads
    fields_of_parts = [iter(part.heads(store)) for part in parts]
    records = []
    with store.steps(len(heads), "heads") as advance:
        for layer, head in heads:
            fields: dict[str, object] = {"id": head_id(layer, head), "layer": layer, "head": head}
            for part in fields_of_parts:
                fields |= next(part)
            record = HeadRecord.model_validate(fields)
            store.write_record(head_file((layer, head)), record)
            records.append(record)
            advance(1)
    return records


def _model_record(store: Store, heads: Sequence[HeadRecord], parts: Sequence[Part]) -> ModelRecord:
    checkpoint, manifest = store.record(CHECKPOINT), store.record(MANIFEST)
    pool = store.record(POOL)
    fields: Fields = {
        "name": checkpoint.name,
        "architecture": checkpoint.architecture,
        "weights": checkpoint.weights,
        "gallery_sha256": manifest.sha256,
        "gallery_images": len(manifest.images),
        "pool": pool_record(pool.name, [Description(row.text, row.property) for row in pool.texts]),
        "layers": checkpoint.layers,
        "scores": scores_of(heads, checkpoint.architecture.layers),
        "heads": [head_summary(head) for head in heads],
        "precision": checkpoint.precision,
        "properties": store.derived(properties),
        "version": BUILT_BY,
    }
    for part in parts:
        fields = {**fields, **part.model(store)}
    return ModelRecord.model_validate(fields)


def _images_record(store: Store) -> ImagesRecord:
    """List for each image the heads whose share stands out most from their mean."""
    heads = store.record(CHECKPOINT).heads
    shares = store.tensor(COORDINATES, "shares")
    positions, excesses = top_k(store.derived(excess), HEADS_OF_AN_IMAGE)
    return ImagesRecord(
        images={
            image: [
                HeadShare(
                    head=head_id(*heads[head]),
                    share=rounded(float(shares[row, head])),
                    excess=rounded(more),
                )
                for head, more in zip(positions[row].tolist(), excesses[row].tolist(), strict=True)
            ]
            for row, image in enumerate(image_ids(store))
        },
        answers=image_answers(store),
    )
