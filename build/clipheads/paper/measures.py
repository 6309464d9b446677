"""Ways to count entangled heads and to compare labels, each set beside the printed Table 1.

>>> [label for label in ("Colors.", "color") if FOLDINGS[FOLDING](label) == "color"]
['Colors.', 'color']
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb
from statistics import correlation, fmean
from typing import NamedTuple

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.paper import DEFINITION, FOLDING, JoinedSpellings, PublishedModel, Reading


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
    counts = Counter(labels)
    return Ratio(sum(counts[label] > 1 for label in labels), len(labels))


def _distinct(labels: Sequence[str], _layers: Sequence[int], _draw: int) -> Ratio:
    return Ratio(len(set(labels)), len(labels))


def _shared_labels(labels: Sequence[str], _layers: Sequence[int], _draw: int) -> Ratio:
    counts = Counter(labels)
    return Ratio(sum(count > 1 for count in counts.values()), len(counts))


def _pairs(labels: Sequence[str], _layers: Sequence[int], _draw: int) -> Ratio:
    alike = sum(comb(count, 2) for count in Counter(labels).values())
    return Ratio(alike, comb(len(labels), 2))


def _same_layer(labels: Sequence[str], layers: Sequence[int], _draw: int) -> Ratio:
    counts = Counter(zip(layers, labels, strict=True))
    return Ratio(sum(count for count in counts.values() if count > 1), len(labels))


def _other_layer(labels: Sequence[str], layers: Sequence[int], _draw: int) -> Ratio:
    counts = Counter(labels)
    inside = Counter(zip(layers, labels, strict=True))
    elsewhere = sum(count for (_, label), count in inside.items() if counts[label] > count)
    return Ratio(elsewhere, len(labels))


def _shared_in_draw(labels: Sequence[str], _layers: Sequence[int], draw: int) -> Ratio:
    # A drawn head whose label c of n heads have is alone with it when the other draw - 1
    # heads all come from the n - c that do not: C(n - c, draw - 1) of C(n - 1, draw - 1).
    n = len(labels)
    draws = comb(n - 1, draw - 1)
    counts = Counter(labels)
    alone = sum(comb(n - counts[label], draw - 1) for label in labels)
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


def read_by(measure: Measure, folding: str, models: Sequence[PublishedModel]) -> Reading:
    """Count all models by one measure under one folding, and compare with Table 1."""
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


def _as_printed(ratio: Ratio, value: float) -> bool:
    return 1000 * ratio.part // ratio.whole == round(1000 * value)


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < value for other in values) + (values.count(value) + 1) / 2
        for value in map(float, values)
    ]
