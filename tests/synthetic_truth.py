"""A ground truth for a synthetic bundle, with numbers that tests can recognise."""

import json
from pathlib import Path

from clipheads.bundle.ground_truth import (
    AnswerTruth,
    CausalEffect,
    Curve,
    Faithfulness,
    GroundTruthRecord,
    HeadTruth,
    LabelTruth,
    MapTruth,
    PropertyPrecision,
    ZeroShot,
)
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord

EFFECTS = {
    "object": 0.11,
    "background": 0.87,
    "style": 0.23,
    "layout": 0.05,
}
"""Of heads with an even place; in the others background and style are nearly the same."""

CURVE = [round(0.05 * step, 2) for step in range(1, 21)]


def effect(name: str, total: float, *, first_order: float | None = None) -> CausalEffect:
    return CausalEffect(
        name=name, total=total, low=total - 0.02, high=total + 0.03, first_order=first_order
    )


def write_truth(folder: Path) -> GroundTruthRecord:
    """Write `ground-truth.json` beside the bundle in `folder`."""
    model = ModelRecord.model_validate_json((folder / "model.json").read_bytes())
    heads = []
    for place, head in enumerate(model.heads):
        record = HeadRecord.model_validate_json((folder / "heads" / f"{head.id}.json").read_bytes())
        caused = place % 2 == 0
        effects = EFFECTS if caused else EFFECTS | {"background": 0.3, "style": 0.31}
        groups = sorted(
            (effect(name, total, first_order=total / 2) for name, total in effects.items()),
            key=lambda one: -one.total,
        )
        heads.append(
            HeadTruth(
                id=head.id,
                variance_share=head.variance_share,
                groups=groups,
                attributes=[effect("pattern", 0.91), effect("colour", 0.42)] if caused else [],
                property="background pattern" if caused else None,
                label=head.label,
                right=None if head.label is None or not caused else place % 4 == 0,
                hits=[place % 3 for _ in record.descriptions],
                answers=[
                    AnswerTruth(
                        text=answer.text, shows=[k < rank for k in range(8)], images=rank + 1
                    )
                    for rank, answer in enumerate(record.answers.answers if record.answers else [])
                ],
                neighbours="pattern" if caused else "style",
                neighbour_precision=0.625,
            )
        )
    curves = [Curve(name=name, values=CURVE) for name in ("object", "colour")]
    record = GroundTruthRecord(
        weights_sha256=model.weights.sha256,
        gallery_sha256=model.gallery_sha256,
        pairs=1234,
        passed_over=77,
        changes=150,
        reference_scenes=480,
        lead=1.25,
        zero_shot=[
            ZeroShot(question=name, accuracy=0.987, heads_alone=0.876, chance=0.123)
            for name in ("object", "colour")
        ],
        heads=heads,
        scored_layers=[0, 1],
        labels=[
            LabelTruth(
                method=method,
                heads=12,
                labelled=labelled,
                right=right,
                right_variance=right / 10,
                too_narrow=1 if labelled else 0,
                chance=None if labelled == 0 else 2.1,
                same_label=None if method == "published" else 0.9,
            )
            for method, labelled, right in (
                ("published", 11, 9),
                ("explained", 11, 9),
                ("majority", 0, 0),
                ("count", 8, 6),
                ("top images", 12, 4),
            )
        ],
        same_first_descriptions=0.8,
        neighbours=[
            PropertyPrecision(
                attribute="pattern",
                heads=3,
                precision=0.625,
                whole_embedding=0.5,
                chance=0.09,
            )
        ],
        maps=[
            MapTruth(
                kind=kind,
                map=name,
                accuracy=0.9,
                miou=0.7,
                mean_precision=0.8,
                maps=120,
            )
            for kind in ("topic", "contrast")
            for name in ("all heads together", "centre-prior baseline")
        ],
        faithfulness=Faithfulness(
            by_descriptions=curves,
            by_random_texts=curves,
            untouched=[Curve(name=curve.name, values=[0.99]) for curve in curves],
            by_ablation=[Curve(name=curve.name, values=CURVE[::-1]) for curve in curves],
            ablated=[head.id for head in model.heads],
        ),
        agreement=[],
        correlations=[],
    )
    (folder / "ground-truth.json").write_text(json.dumps(record.model_dump(mode="json")))
    return record
