"""Recomputes the paper's Table 1 from the published labels, under several ways of counting.

Madasu et al. (2024) define entanglement as the share of heads that share their label with
another head of the model. The labels that the authors published do not give the printed values
by that definition. Here each plausible way of counting (what is counted, and which spellings
count as one label) is set beside the printed value, so that a reader can judge. Works on
`data/published/` alone, without torch; what it finds is kept there in `paper.json`, from which
pages are made.
"""

from collections.abc import Sequence
from math import comb

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.paper import (
    DEFINITION,
    FOLDING,
    AuditedModel,
    PaperRecord,
    PublishedModel,
    Reading,
)
from clipheads.maths.scores import entanglement
from clipheads.paper.measures import (
    FOLDINGS,
    MEASURES,
    joined_spellings,
    printed_count,
    rank_correlation,
    read_by,
)
from clipheads.paper.published import PublishedFacts, read_published


def audit(facts: PublishedFacts | None = None) -> PaperRecord:
    """Set every reading of entanglement beside Table 1; the published facts by default.

    Raises:
        AtlasError: the published facts cannot be read.
    """
    facts = facts or read_published()
    readings = [
        read_by(measure, folding, facts.models) for measure in MEASURES for folding in FOLDINGS
    ]
    defined = next(
        reading
        for reading in readings
        if (reading.measure, reading.folding) == (DEFINITION, FOLDING)
    )
    association = [row.association for row in facts.models]
    models = [_audited(row) for row in facts.models]
    in_print = rank_correlation(association, [row.entanglement for row in facts.models])
    recomputed = rank_correlation(association, defined.values)
    unexplained = PaperRecord(
        labels_source=facts.labels_source,
        tables_source=facts.tables_source,
        models=models,
        method=_method(models),
        caveats=_caveats(facts),
        findings=[],
        readings=readings,
        association_in_print=in_print,
        association_recomputed=recomputed,
        spellings=[joined for row in facts.models for joined in joined_spellings(row)],
    )
    return unexplained.model_copy(update={"findings": _findings(unexplained)})


def signed(correlation: float | None) -> str:
    """Return a correlation as the report writes it, such as "−0.94"."""
    return "undefined" if correlation is None else f"{correlation:+.2f}".replace("-", "−")


def _audited(row: PublishedModel) -> AuditedModel:
    labels = list(row.labels.values())
    shared = entanglement(labels)
    return AuditedModel(
        **row.model_dump(),
        distinct=len({fold_label(label) for label in labels}),
        shared=shared,
        unique=len(labels) - shared.count,
        printed_heads=printed_count(row.entanglement, len(labels)),
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
        here, there = (
            entanglement(list(labelled.values())).count for labelled in (ours, other.labels)
        )
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


def _findings(report: PaperRecord) -> list[str]:
    """What the readings show, with the caution that they need."""
    models, readings, nearest = report.models, report.readings, report.nearest
    defined, equal = report.reading(DEFINITION), report.reading("shared, equal heads")
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
    findings += [
        "Order of the models, from the least to the most entangled. Table 1:"
        f" {_ordered(models, [row.entanglement for row in models])}. By the definition:"
        f" {_ordered(models, defined.values)}. By the definition at equal numbers of heads:"
        f" {_ordered(models, equal.values)}.",
        f"Of the {comb(count, 2)} pairs of models, the definition puts {defined.same_order} in"
        f" the order of Table 1 and {defined.reversed_order} in the opposite one;"
        f" {_are(defined.tied)} tied (rank correlation {signed(defined.rank_correlation)})."
        f" At equal numbers of heads: {equal.same_order}, {equal.reversed_order} and"
        f" {equal.tied} ({signed(equal.rank_correlation)}).{_verdict(defined, equal)}",
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
        f" correlation of {signed(report.association_in_print)} with Table 1 as printed, and of"
        f" {signed(report.association_recomputed)} with entanglement by the definition.",
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
