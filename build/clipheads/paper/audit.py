"""Recomputes the paper's Table 1 from the published labels, under several ways of counting.

Madasu et al. (2024) define entanglement as the share of heads that share their label with
another head of the model. The labels that the authors published do not give the printed values
by that definition. Here each plausible way of counting (what is counted, and which spellings
count as one label) is set beside the printed value, so that a reader can judge. Works on
`data/published/` alone, without torch.
"""

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb
from pathlib import Path
from statistics import correlation, fmean
from typing import Annotated, NamedTuple

from pydantic import Field

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.model import Score
from clipheads.bundle.record import Record
from clipheads.maths.scores import entanglement

DEFINITION = "shared"
"""The measure that the paper defines."""

FOLDING = "case, punctuation, plural"
"""The folding that the atlas uses everywhere."""


HeadId = Annotated[str, Field(pattern=r"^L\d+\.H\d+$")]
Label = Annotated[str, Field(pattern=r"\w")]


class TableRow(Record):
    """One row of `tables.json`."""

    model: str
    size: str
    patch: int
    data: str = Field(description="Training data, as the paper names it")
    entanglement: float = Field(ge=0, le=1, description="Table 1")
    association: float = Field(ge=0, le=1, description="Table 2")


class PublishedTables(Record):
    """`tables.json`."""

    source: str
    models: list[TableRow] = Field(min_length=1)


class OtherVersion(Record):
    """Other labels that were published for a model of `labels.json`."""

    source: str
    model: str
    labels: Annotated[dict[HeadId, Label], Field(min_length=2)]


class PublishedLabels(Record):
    """`labels.json`."""

    source: str
    labels: dict[str, Annotated[dict[HeadId, Label], Field(min_length=2)]]
    other_versions: list[OtherVersion] = Field(default_factory=list)


class PublishedModel(TableRow):
    """What the authors published about one model."""

    labels: dict[HeadId, Label] = Field(
        min_length=2, description="Head such as L11.H7 to its label, as published"
    )


class PublishedFacts(Record):
    """`data/published/`: labels and tables, with their sources."""

    labels_source: str
    tables_source: str
    models: list[PublishedModel] = Field(min_length=1, description="In the order of the tables")
    other_versions: list[OtherVersion] = Field(default_factory=list)


class AuditedModel(Record):
    """One model by the paper's definition and its complement, beside the printed scores."""

    model: str
    heads: int
    labels: int = Field(description="Distinct labels after folding")
    shared: Score = Field(description="Heads whose label another head also bears")
    unique: int = Field(description="Heads whose label no other head bears")
    printed: float = Field(description="Table 1")
    printed_heads: int | None = Field(description="The number of heads that Table 1 stands for")
    printed_association: float = Field(description="Table 2")
    printed_association_heads: int | None


class Reading(Record):
    """One way to count, over all models, beside Table 1. Lists follow the order of the models."""

    measure: str
    title: str = Field(description="What is counted, as a phrase")
    folding: str = Field(description="What is folded before labels are compared")
    more_is_entangled: bool = Field(description="Whether more entangled models have higher values")
    values: list[float]
    differences: list[float] = Field(description="Absolute differences from the printed values")
    mean_absolute_difference: float
    rank_correlation: float | None = Field(
        description="Spearman's, with the printed values; None if either does not vary"
    )
    matches: int = Field(description="Models whose value is the printed one to all its digits")
    same_order: int = Field(description="Pairs of models in the order of Table 1")
    reversed_order: int = Field(description="Pairs of models in the opposite order")
    tied: int = Field(description="Pairs of models that are equal in this reading or in Table 1")


class JoinedSpellings(Record):
    """Spellings that one model has and that count as one label."""

    model: str
    spellings: list[str]
    joined_by: str = Field(description="The mildest folding that makes them one")


class AuditReport(Record):
    """Everything that `head-atlas audit` and the page about Table 1 show."""

    labels_source: str
    tables_source: str
    method: list[str]
    caveats: list[str]
    findings: list[str]
    models: list[AuditedModel]
    readings: list[Reading] = Field(description="Every measure under every folding")
    nearest: Reading = Field(description="The reading with the smallest mean absolute difference")
    association_in_print: float | None = Field(
        description="Rank correlation of Table 2 with Table 1 as printed"
    )
    association_recomputed: float | None = Field(
        description="Rank correlation of Table 2 with the paper's definition, recomputed"
    )
    spellings: list[JoinedSpellings]

    def reading(self, measure: str, folding: str = FOLDING) -> Reading:
        """Return the reading of that name.

        Raises:
            KeyError: there is none.
        """
        for reading in self.readings:
            if (reading.measure, reading.folding) == (measure, folding):
                return reading
        raise KeyError((measure, folding))


class Ratio(NamedTuple):
    """A share before division, so that it can be compared exactly."""

    part: int
    whole: int


Counting = Callable[[Sequence[str], Sequence[int], int], Ratio]
"""Of one model's folded labels, their layers, and the number of heads of the smallest model."""


class Measure(NamedTuple):
    """One way to count."""

    name: str
    title: str
    more_is_entangled: bool
    ratio: Counting


def fold_punctuation(text: str) -> str:
    """Fold case and punctuation, and keep plurals."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def fold_final_s(text: str) -> str:
    """Fold case, punctuation and a final s, so that "activities" is not yet "activity"."""
    return " ".join(word.removesuffix("s") for word in fold_punctuation(text).split())


FOLDINGS: dict[str, Callable[[str], str]] = {
    "as published": str,
    "case": str.casefold,
    "case, punctuation": fold_punctuation,
    "case, punctuation, final s": fold_final_s,
    FOLDING: fold_label,
}
"""Name to function, the mildest first."""


def _shared(labels: Sequence[str], _layers: Sequence[int], _draw: int) -> Ratio:
    bearers = Counter(labels)
    return Ratio(sum(bearers[label] > 1 for label in labels), len(labels))


def _distinct(labels: Sequence[str], _layers: Sequence[int], _draw: int) -> Ratio:
    return Ratio(len(set(labels)), len(labels))


def _shared_labels(labels: Sequence[str], _layers: Sequence[int], _draw: int) -> Ratio:
    bearers = Counter(labels)
    return Ratio(sum(count > 1 for count in bearers.values()), len(bearers))


def _pairs(labels: Sequence[str], _layers: Sequence[int], _draw: int) -> Ratio:
    alike = sum(comb(count, 2) for count in Counter(labels).values())
    return Ratio(alike, comb(len(labels), 2))


def _same_layer(labels: Sequence[str], layers: Sequence[int], _draw: int) -> Ratio:
    bearers = Counter(zip(layers, labels, strict=True))
    return Ratio(sum(count for count in bearers.values() if count > 1), len(labels))


def _other_layer(labels: Sequence[str], layers: Sequence[int], _draw: int) -> Ratio:
    bearers = Counter(labels)
    inside = Counter(zip(layers, labels, strict=True))
    elsewhere = sum(count for (_, label), count in inside.items() if bearers[label] > count)
    return Ratio(elsewhere, len(labels))


def _shared_in_draw(labels: Sequence[str], _layers: Sequence[int], draw: int) -> Ratio:
    # A drawn head whose label c of n heads bear is alone with it when the other draw - 1
    # heads all come from the n - c that do not: C(n - c, draw - 1) of C(n - 1, draw - 1).
    n = len(labels)
    draws = comb(n - 1, draw - 1)
    bearers = Counter(labels)
    alone = sum(comb(n - bearers[label], draw - 1) for label in labels)
    return Ratio(n * draws - alone, n * draws)


def _complement(counting: Counting) -> Counting:
    def rest(labels: Sequence[str], layers: Sequence[int], draw: int) -> Ratio:
        ratio = counting(labels, layers, draw)
        return Ratio(ratio.whole - ratio.part, ratio.whole)

    return rest


MEASURES = (
    Measure(DEFINITION, "share of heads that share their label with another head", True, _shared),
    Measure(
        "unique",
        "share of heads whose label is unique, the complement of the definition",
        False,
        _complement(_shared),
    ),
    Measure("distinct", "number of distinct labels, divided by the heads", False, _distinct),
    Measure(
        "repeated",
        "share of heads that repeat the label of an earlier head",
        True,
        _complement(_distinct),
    ),
    Measure(
        "shared labels",
        "share of distinct labels that several heads have",
        True,
        _shared_labels,
    ),
    Measure("pairs", "share of pairs of heads with the same label", True, _pairs),
    Measure(
        "same layer",
        "share of heads that share their label with another head of the same layer",
        True,
        _same_layer,
    ),
    Measure(
        "other layer",
        "share of heads that share their label with a head of another layer",
        True,
        _other_layer,
    ),
    Measure(
        "shared, equal heads",
        "expected share of heads with a shared label when as many heads are drawn from each"
        " model as the smallest has",
        True,
        _shared_in_draw,
    ),
    Measure(
        "unique, equal heads",
        "expected share of heads with a unique label when as many heads are drawn from each"
        " model as the smallest has",
        False,
        _complement(_shared_in_draw),
    ),
)


def read_published(folder: Path | None = None) -> PublishedFacts:
    """Read the published labels and tables; `folder` is `data/published` by default.

    Raises:
        AtlasError: a file is missing or damaged, or the two disagree about the models.
    """
    folder = folder or data_file("published")
    labels = read_record(folder / "labels.json", PublishedLabels)
    tables = read_record(folder / "tables.json", PublishedTables)
    listed = [row.model for row in tables.models]
    for other in labels.other_versions:
        if set(other.labels) != set(labels.labels.get(other.model, {})):
            raise AtlasError(
                f"{folder / 'labels.json'}: other_versions: the labels of {other.model} must be of"
                " the same heads as those in labels"
            )
    unmatched = sorted(set(listed) ^ set(labels.labels))
    if unmatched or len(set(listed)) < len(listed):
        raise AtlasError(
            f"{folder}: labels.json and tables.json must name the same models, each once"
            + (f"; only one names {', '.join(unmatched)}" if unmatched else "")
        )
    return PublishedFacts(
        labels_source=labels.source,
        tables_source=tables.source,
        other_versions=labels.other_versions,
        models=[
            PublishedModel(**row.model_dump(), labels=labels.labels[row.model])
            for row in tables.models
        ],
    )


def audit(facts: PublishedFacts | None = None) -> AuditReport:
    """Set every reading of entanglement beside Table 1; the published facts by default.

    Raises:
        AtlasError: the published facts cannot be read.
    """
    facts = facts or read_published()
    readings = [
        _read(measure, folding, facts.models) for measure in MEASURES for folding in FOLDINGS
    ]
    nearest = min(readings, key=lambda reading: reading.mean_absolute_difference)
    defined = next(
        reading
        for reading in readings
        if (reading.measure, reading.folding) == (DEFINITION, FOLDING)
    )
    printed = [row.entanglement for row in facts.models]
    association = [row.association for row in facts.models]
    models = [_audited(row) for row in facts.models]
    in_print = rank_correlation(association, printed)
    recomputed = rank_correlation(association, defined.values)
    return AuditReport(
        labels_source=facts.labels_source,
        tables_source=facts.tables_source,
        method=_method(models),
        caveats=_caveats(facts),
        findings=_findings(models, readings, nearest, defined, in_print, recomputed),
        models=models,
        readings=readings,
        nearest=nearest,
        association_in_print=in_print,
        association_recomputed=recomputed,
        spellings=[joined for row in facts.models for joined in joined_spellings(row)],
    )


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None if either does not vary."""
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    # Rounding keeps 1.0000000000000002 out of records and pages.
    return round(correlation(_ranks(first), _ranks(second)), 6)


def printed_count(value: float, of: int) -> int | None:
    """Return the whole number whose share of `of` is printed as `value`; None if there is none.

    The tables cut a share after its third decimal.

    >>> printed_count(0.343, 64)
    22
    """
    return next((count for count in range(of + 1) if _as_printed(Ratio(count, of), value)), None)


def joined_spellings(row: PublishedModel) -> list[JoinedSpellings]:
    """List the labels that a model has in several spellings, by what it takes to join them."""
    groups: dict[str, set[str]] = {}
    for label in row.labels.values():
        groups.setdefault(fold_label(label), set()).add(label)
    return [
        JoinedSpellings(
            model=row.model,
            spellings=sorted(group),
            joined_by=next(
                name for name, fold in FOLDINGS.items() if len({fold(text) for text in group}) == 1
            ),
        )
        for group in groups.values()
        if len(group) > 1
    ]


def as_text(report: AuditReport) -> str:
    """Return the report as plain text for a terminal, at most 88 columns wide."""
    parts = [
        "Recomputing Table 1 from the published labels",
        *(_wrap(line) for line in report.method),
        _models_table(report),
        *(_wrap(line, "- ") for line in report.caveats),
        *(_wrap(line, "- ") for line in report.findings),
        _readings_table(report),
        _spellings_list(report),
        _wrap(f"Labels: {report.labels_source}"),
        _wrap(f"Tables: {report.tables_source}"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _as_printed(ratio: Ratio, value: float) -> bool:
    return 1000 * ratio.part // ratio.whole == round(1000 * value)


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (values.count(value) + 1) / 2
        for value in map(float, values)
    ]


def _read(measure: Measure, folding: str, models: Sequence[PublishedModel]) -> Reading:
    fold = FOLDINGS[folding]
    draw = min(len(row.labels) for row in models)
    ratios = [
        measure.ratio(
            [fold(label) for label in row.labels.values()],
            [int(head[1:].split(".")[0]) for head in row.labels],
            draw,
        )
        for row in models
    ]
    values = [ratio.part / ratio.whole for ratio in ratios]
    printed = [row.entanglement for row in models]
    differences = [abs(value - shown) for value, shown in zip(values, printed, strict=True)]
    orders = [
        (first[0] - second[0]) * (first[1] - second[1])
        for first, second in combinations(zip(values, printed, strict=True), 2)
    ]
    return Reading(
        measure=measure.name,
        title=measure.title,
        folding=folding,
        more_is_entangled=measure.more_is_entangled,
        values=[round(value, 6) for value in values],
        differences=[round(difference, 6) for difference in differences],
        mean_absolute_difference=round(fmean(differences), 6),
        rank_correlation=rank_correlation(values, printed),
        matches=sum(
            _as_printed(ratio, shown) for ratio, shown in zip(ratios, printed, strict=True)
        ),
        same_order=sum(order > 0 for order in orders),
        reversed_order=sum(order < 0 for order in orders),
        tied=sum(order == 0 for order in orders),
    )


def _audited(row: PublishedModel) -> AuditedModel:
    labels = list(row.labels.values())
    shared = entanglement(labels)
    return AuditedModel(
        model=row.model,
        heads=len(labels),
        labels=len({fold_label(label) for label in labels}),
        shared=shared,
        unique=len(labels) - shared.count,
        printed=row.entanglement,
        printed_heads=printed_count(row.entanglement, len(labels)),
        printed_association=row.association,
        printed_association_heads=printed_count(row.association, len(labels)),
    )


def _method(models: Sequence[AuditedModel]) -> list[str]:
    smallest = min(row.heads for row in models)
    return [
        "The paper defines the entanglement score of a model as the share of heads, in its last"
        " four layers, that share their label with another head of the model: 0 means that no two"
        " heads share a label. It is recomputed here from the labels that the authors published for"
        f" {sum(row.heads for row in models)} heads of {len(models)} models. Labels are"
        " compared ignoring case, punctuation and plurals.",
        f"Because the definition leaves room, {len(MEASURES)} ways to count, each under"
        f" {len(FOLDINGS)} ways to compare labels, are set beside the printed values by two"
        " figures: the mean absolute difference, and Spearman's rank correlation over the models."
        f" Larger models have more heads and so more chances to share; “equal heads” draws"
        f" {smallest} heads from each model and gives the exact expected share.",
    ]


def _caveats(facts: PublishedFacts) -> list[str]:
    sizes = sorted({len(row.labels) for row in facts.models})
    caveats = [
        "The labels counted are those of the authors’ demo, CLIP-InterpreT. The paper does not say"
        " whether Table 1 was counted from exactly this list.",
    ]
    labels = {row.model: row.labels for row in facts.models}
    for other in facts.other_versions:
        ours = labels[other.model]
        changed = sum(fold_label(ours[head]) != fold_label(other.labels[head]) for head in ours)
        here, there = (entanglement(list(one.values())).count for one in (ours, other.labels))
        caveats.append(
            f"Another version of the demo’s file has other labels for {changed} of the"
            f" {len(ours)} heads of {other.model}, plurals aside. By those, {there} of its heads"
            f" share their label and {len(ours) - there} do not, against {here} and"
            f" {len(ours) - here} here. The labels of the other {len(labels) - 1} models are the"
            " same in both."
        )
    if len(sizes) > 1:
        caveats.append(
            f"The models have {' or '.join(map(str, sizes))} heads in their last four layers. More"
            " heads have more chances to share a label, which is why some ways of counting draw"
            " equal numbers of heads."
        )
    caveats.append(
        "The descriptions of the heads and the judge’s answers, from which Table 2 was counted,"
        " are not published with the labels."
    )
    return caveats


def _findings(
    models: Sequence[AuditedModel],
    readings: Sequence[Reading],
    nearest: Reading,
    defined: Reading,
    in_print: float | None,
    recomputed: float | None,
) -> list[str]:
    count = len(models)
    whole = sum(row.printed_heads is not None for row in models)
    best = min(
        (reading for reading in readings if reading.measure == DEFINITION),
        key=lambda reading: reading.mean_absolute_difference,
    )
    findings = [
        f"In {whole} of {count} models the printed value is a whole number of heads over the"
        " number of published labels, truncated to three decimals.",
        f"Table 1 is nearest to the {nearest.title} ({_folded(nearest.folding)}): mean absolute"
        f" difference {nearest.mean_absolute_difference:.3f}, matching the printed value in"
        f" {nearest.matches} of {count} models. By the paper's definition the mean absolute"
        f" difference is at best {best.mean_absolute_difference:.3f}"
        f" ({_folded(best.folding)}), matching the printed value in {best.matches}.",
    ]
    if all(reading.matches < count for reading in readings):
        findings.append(
            f"None of the {len(readings)} ways of counting matches the printed value for every"
            " model. That one of many is the nearest does not show that it is the one that was"
            " used."
        )
    equal = next(
        reading
        for reading in readings
        if (reading.measure, reading.folding) == ("shared, equal heads", FOLDING)
    )
    findings += [
        "Order of the models, from the least to the most entangled. Table 1:"
        f" {_ordered(models, [row.printed for row in models])}. By the definition:"
        f" {_ordered(models, defined.values)}. By the definition at equal numbers of heads:"
        f" {_ordered(models, equal.values)}.",
        f"Of the {comb(count, 2)} pairs of models, the definition puts {defined.same_order} in"
        f" the order of Table 1 and {defined.reversed_order} in the opposite one;"
        f" {_are(defined.tied)} tied (rank correlation {_signed(defined.rank_correlation)})."
        f" At equal numbers of heads: {equal.same_order}, {equal.reversed_order} and"
        f" {equal.tied} ({_signed(equal.rank_correlation)}).{_verdict(defined, equal)}",
    ]
    entangled = [reading for reading in readings if reading.more_is_entangled]
    against = sum((reading.rank_correlation or 0) < 0 for reading in entangled)
    findings += [
        f"Of the {len(entangled)} ways of counting that grow with entanglement, {against} have a"
        " negative rank correlation with Table 1.",
        "With so few heads a share is imprecise (95% intervals in the table): differences between"
        " models that are close are not significant.",
        "Table 2 (association) cannot be recomputed from what is published here: it needs the"
        " descriptions of each head and the judge's answers. Its printed values have a rank"
        f" correlation of {_signed(in_print)} with Table 1 as printed, and of"
        f" {_signed(recomputed)} with entanglement by the definition.",
    ]
    return findings


def _verdict(defined: Reading, equal: Reading) -> str:
    turned = [reading.reversed_order > reading.same_order for reading in (defined, equal)]
    if all(turned):
        return " The ranking reverses under both definitions."
    if any(turned):
        return " Whether the ranking reverses depends on the number of heads compared."
    return " The ranking does not reverse."


def _are(count: int) -> str:
    return f"{count} is" if count == 1 else f"{count} are"


def _folded(folding: str) -> str:
    return "labels as published" if folding == "as published" else f"ignoring {folding}"


def _ordered(models: Sequence[AuditedModel], values: Sequence[float]) -> str:
    by_value: dict[float, list[str]] = {}
    for row, value in zip(models, values, strict=True):
        by_value.setdefault(value, []).append(row.model)
    return ", ".join(" = ".join(by_value[value]) for value in sorted(by_value))


def _signed(correlation: float | None) -> str:
    return "undefined" if correlation is None else f"{correlation:+.2f}".replace("-", "−")


WIDTH = 88


def _wrap(text: str, bullet: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _models_table(report: AuditReport) -> str:
    lines = [
        f"{'':30}{'Table 1':>14}{'label shared (95%) ':>27}{'unique':>14}",
    ]
    for row in report.models:
        lines.append(
            f"{row.model:30}"
            f"{_heads(row.printed_heads, row.heads)}{row.printed:7.3f}"
            f"{_heads(row.shared.count, row.heads):>8}{row.shared.value:6.3f}"
            f" [{row.shared.low:.2f}, {row.shared.high:.2f}]"
            f"{_heads(row.unique, row.heads):>8}{row.unique / row.heads:6.3f}"
        )
    shared, unique = report.reading(DEFINITION), report.reading("unique")
    lines += [
        f"{'mean absolute difference':30}{'':14}{shared.mean_absolute_difference:14.3f}"
        f"{'':13}{unique.mean_absolute_difference:14.3f}",
        f"{'rank correlation':30}{'':14}{_signed(shared.rank_correlation):>14}"
        f"{'':13}{_signed(unique.rank_correlation):>14}",
    ]
    return "\n".join(lines)


def _heads(count: int | None, of: int) -> str:
    return f"{'?' if count is None else count:>4}/{of}"


def _readings_table(report: AuditReport) -> str:
    lines = [
        "Mean absolute difference from Table 1 and rank correlation with it, by what is ignored:",
        "",
        f"{'':20}" + "".join(f"{_COLUMNS[name]:>13}" for name in FOLDINGS),
    ]
    for measure in MEASURES:
        cells = [report.reading(measure.name, name) for name in FOLDINGS]
        lines.append(
            f"{measure.name:20}"
            + "".join(
                f"{cell.mean_absolute_difference:7.3f} {_signed(cell.rank_correlation):>5}"
                for cell in cells
            )
        )
    lines.append("")
    lines += [_wrap(f"{measure.name}: {measure.title}", "  ") for measure in MEASURES]
    return "\n".join(lines)


_COLUMNS = dict(zip(FOLDINGS, ("nothing", "case", "punctuation", "final s", "plural"), strict=True))
"""Each folding includes those before it, so a column is named for what it adds."""


def _spellings_list(report: AuditReport) -> str:
    if not report.spellings:
        return ""
    lines = ["Spellings counted as one label, and the normalisation needed:", ""]
    lines += [
        f"  {row.model:30} {' = '.join(row.spellings)} ({row.joined_by})"
        for row in report.spellings
    ]
    return "\n".join(lines)
