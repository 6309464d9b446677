"""The audit of the paper's Table 1 as paragraphs and tables for a terminal."""

from collections.abc import Iterator

from rich.table import Table

from clipheads.bundle.paper import DEFINITION, PaperRecord
from clipheads.paper.measures import FOLDINGS, MEASURES
from clipheads.paper.report import signed
from headatlas.commands.console import table

IGNORED = dict(zip(FOLDINGS, ("nothing", "case", "punctuation", "final s", "plural"), strict=True))
"""Each folding includes those before it, so a column is named for what it adds."""


def audit_report(record: PaperRecord) -> Iterator[str | Table]:
    """Yield everything that the audit finds, part by part."""
    yield "Recomputing Table 1 from the published labels"
    yield from record.method
    yield _models(record)
    yield from (f"- {line}" for line in (*record.caveats, *record.findings))
    yield "Mean absolute difference from Table 1 and rank correlation with it, by what is ignored:"
    yield _readings(record)
    titles = [(measure.name, measure.title) for measure in MEASURES]
    yield table(("measure", "what is counted"), titles, words=2)
    if record.spellings:
        yield "Spellings counted as one label, and the normalisation needed:"
        yield table(
            ("model", "spellings", "ignoring"),
            [(row.model, " = ".join(row.spellings), row.joined_by) for row in record.spellings],
            words=3,
        )
    yield f"Labels: {record.labels_source}"
    yield f"Tables: {record.tables_source}"


def _models(record: PaperRecord) -> Table:
    rows = [
        (
            row.model,
            _of(row.printed_heads, row.heads),
            f"{row.entanglement:.3f}",
            _of(row.shared.count, row.heads),
            f"{row.shared.value:.3f}",
            f"[{row.shared.low:.2f}, {row.shared.high:.2f}]",
            _of(row.unique, row.heads),
            f"{row.unique / row.heads:.3f}",
        )
        for row in record.models
    ]
    shared, unique = record.reading(DEFINITION), record.reading("unique")
    for title, of_shared, of_unique in (
        (
            "mean absolute difference",
            f"{shared.mean_absolute_difference:.3f}",
            f"{unique.mean_absolute_difference:.3f}",
        ),
        ("rank correlation", signed(shared.rank_correlation), signed(unique.rank_correlation)),
    ):
        rows.append((title, "", "", "", of_shared, "", "", of_unique))
    columns = ("model", "Table 1", "", "label shared", "", "95% interval", "label unique", "")
    return table(columns, rows)


def _of(count: int | None, heads: int) -> str:
    return f"{'?' if count is None else count}/{heads}"


def _readings(record: PaperRecord) -> Table:
    rows = []
    for measure in MEASURES:
        readings = [record.reading(measure.name, folding) for folding in FOLDINGS]
        cells = [
            f"{reading.mean_absolute_difference:.3f} {signed(reading.rank_correlation)}"
            for reading in readings
        ]
        rows.append((measure.name, *cells))
    return table(("measure", *IGNORED.values()), rows)
