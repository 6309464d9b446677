"""The ground truth as paragraphs and tables for a terminal."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from clipheads.bundle.ground_truth import CausalEffect, GroundTruthRecord
from headatlas.commands.console import table

NONE = "–"


def ground_truth_report(record: GroundTruthRecord) -> Iterator[str | Table]:
    """Yield all numbers of the record but intervals, hits of descriptions, and curves."""
    yield (
        f"{record.pairs} pairs of unseen scenes, one group exchanged at a time"
        f" ({record.passed_over} pairs skipped, in which some group could not be);"
        f" {record.changes} scenes for each attribute"
    )
    yield "Total effects of groups and of the first group's attributes, and its first-order effect:"
    yield _heads(record)
    scored = ", ".join(f"L{layer}" for layer in record.scored_layers)
    yield f"Labels of heads of {scored} with a true property:"
    yield _labels(record)
    stay = record.same_first_descriptions
    yield f"First three descriptions that are the same over other scenes: {stay:.1%}"
    yield table(
        ("zero-shot", "whole", "heads alone", "majority baseline"),
        [
            (row.question, f"{row.accuracy:.1%}", f"{row.heads_alone:.1%}", f"{row.chance:.1%}")
            for row in record.zero_shot
        ],
    )
    yield table(
        ("precision@8 of neighbours", "heads", "in these", "whole embedding", "chance"),
        [
            (
                row.attribute,
                str(row.heads),
                f"{row.precision:.1%}",
                f"{row.whole_embedding:.1%}",
                f"{row.chance:.1%}",
            )
            for row in record.neighbours
        ],
    )
    yield table(
        ("heat maps", "", "pixel accuracy", "mIoU", "mAP", "maps"),
        [
            (
                row.kind,
                row.map,
                f"{row.accuracy:.1%}",
                f"{row.miou:.1%}",
                f"{row.mean_precision:.1%}",
                str(row.maps),
            )
            for row in record.maps
        ],
        words=2,
    )


def _heads(record: GroundTruthRecord) -> Table:
    columns = (
        "head", "groups", "attributes", "true property", "label", "verdict",
        "first order", "variance",
    )  # fmt: skip
    rows = [
        (
            head.id,
            _effects(head.groups),
            _effects(head.attributes),
            head.property or "mixed",
            head.label or NONE,
            {True: "right", False: "wrong", None: NONE}[head.right],
            _two_digits(head.groups[0].first_order),
            f"{head.variance_share:.1%}",
        )
        for head in record.heads
    ]
    return table(columns, rows, words=6)


def _two_digits(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _effects(effects: Sequence[CausalEffect]) -> str:
    return ", ".join(f"{effect.name} {effect.total:.2f}" for effect in effects)


def _labels(record: GroundTruthRecord) -> Table:
    columns = (
        "labeller", "heads", "labelled", "right", "variance", "too narrow", "chance",
        "same elsewhere",
    )  # fmt: skip
    rows = [
        (
            row.method,
            str(row.heads),
            str(row.labelled),
            str(row.right),
            f"{row.right_variance:.1%}",
            str(row.too_narrow),
            NONE if row.chance is None else f"{row.chance:.1f}",
            NONE if row.same_label is None else f"{row.same_label:.1%}",
        )
        for row in record.labels
    ]
    return table(columns, rows)
