"""A ground truth for a synthetic bundle, with numbers that tests can recognise."""

import json
from pathlib import Path

from clipheads import bundle

GAINS = {"object": 0.05, "colour": 0.85, "style": 0.4}
"""Of heads with an even number; those with an odd one tell styles best."""

CURVE = [round(0.05 * step, 2) for step in range(1, 21)]


def write_truth(folder: Path) -> bundle.GroundTruthRecord:
    """Write `ground-truth.json` beside the bundle in `folder`."""
    model = bundle.ModelRecord.model_validate_json((folder / "model.json").read_bytes())
    heads = []
    for place, head in enumerate(model.heads):
        gains = dict(GAINS) if place % 2 == 0 else GAINS | {"colour": 0.1}
        true = "background colour" if place % 2 == 0 else "picture style"
        heads.append(
            bundle.HeadTruth(
                id=head.id,
                variance_share=head.variance_share,
                separations=[
                    bundle.AttributeSeparation(
                        attribute=name, accuracy=0.5 + gain / 2, chance=0.5, gain=gain
                    )
                    for name, gain in gains.items()
                ],
                property=true,
                label=head.label,
                label_attribute=None if head.label is None else "colour",
                agrees=None if head.label is None else place % 2 == 0,
                neighbour_precision=None if head.label is None else 0.625,
            )
        )
    curves = [bundle.Curve(name=name, values=CURVE) for name in ("object", "colour")]
    record = bundle.GroundTruthRecord(
        known_scenes=1500,
        asked_scenes=1400,
        zero_shot=[bundle.ZeroShot(question="colour", accuracy=0.987, heads_alone=0.876)],
        heads=heads,
        scored_layers=[0, 1],
        separating_share=0.75,
        separated_properties=["background colour", "picture style"],
        labels=[
            bundle.LabelTruth(
                method=method,
                labelled=labelled,
                agree=agree,
                hold=agree + 1,
                properties=3,
                chance=None if labelled == 0 else 0.21,
                same_label=0.9,
            )
            for method, labelled, agree in (
                ("descriptions", 0, 0),
                ("neighbours", 8, 6),
                ("top images", 12, 4),
            )
        ],
        same_first_descriptions=0.8,
        neighbours=[
            bundle.PropertyPrecision(
                property="background colour",
                heads=3,
                precision=0.625,
                whole_embedding=0.5,
                chance=0.09,
            )
        ],
        maps=[
            bundle.MapTruth(
                kind=kind,
                map=name,
                accuracy=0.9,
                miou=0.7,
                mean_precision=0.8,
                maps=120,
            )
            for kind in ("topic", "contrast")
            for name in ("all heads together", "a blob in the centre")
        ],
        faithfulness=bundle.Faithfulness(
            by_descriptions=curves,
            by_random_texts=curves,
            untouched=[bundle.Curve(name=curve.name, values=[0.99]) for curve in curves],
            by_ablation=[bundle.Curve(name=curve.name, values=CURVE[::-1]) for curve in curves],
            ablated=[head.id for head in model.heads],
        ),
    )
    (folder / "ground-truth.json").write_text(json.dumps(record.model_dump(mode="json")))
    return record
