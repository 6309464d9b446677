"""What is measured of every head of a model, as one list: names, units, values and ranks.

The finder, the head's page and the colours of the model's grid all read this list. A number that
every head has becomes a line in one of the `OF_…` lists and appears in all three.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import HeadSummary
from headatlas import urls
from headatlas.atlas_reader import ModelBundle
from headatlas.formats import decimal
from headatlas.pictures.causal_bars import GROUP_NAMES
from headatlas.urls import Link

MISSING = "–"
"""What a table shows where a head has no value."""
PARTS_OF_UNIT = {"%": 100.0, "10⁻³": 1000.0}
"""By what a value is multiplied to be printed in its unit, unless by 1."""


@dataclass(frozen=True, eq=False)
class Metric:
    """A number of every head of one model. Order and ranks are those of the printed values."""

    key: str
    """Its name in addresses."""
    title: str
    group: str
    unit: str
    """Of the printed values: `%`, `×`, `10⁻³`, or nothing."""
    digits: int
    """After the decimal point, as printed."""
    defined: Link
    """Where the site defines it."""
    values: tuple[float | None, ...]
    """In the order of the model's heads; None where a head has none."""

    @cached_property
    def rounded(self) -> tuple[float | None, ...]:
        """The values as they are printed, as numbers."""
        factor = PARTS_OF_UNIT.get(self.unit, 1.0)
        return tuple(None if v is None else round(factor * v, self.digits) for v in self.values)

    @cached_property
    def printed(self) -> tuple[str, ...]:
        """The values as tables show them, without their unit."""
        return tuple(MISSING if v is None else decimal(v, self.digits) for v in self.rounded)

    @cached_property
    def ranks(self) -> tuple[int | None, ...]:
        """For each head one more than the heads that print a larger value: ties share a rank."""
        largest_first = sorted((v for v in self.rounded if v is not None), reverse=True)
        rank_of: dict[float, int] = {}
        for rank, value in enumerate(largest_first, start=1):
            rank_of.setdefault(value, rank)
        return tuple(None if value is None else rank_of[value] for value in self.rounded)

    @property
    def suffix(self) -> str:
        """The unit as it follows a printed value."""
        between = {"": "", "%": "", "10⁻³": " × "}.get(self.unit, " ")
        return between + self.unit

    @property
    def measured(self) -> int:
        """Heads that have a value."""
        return sum(value is not None for value in self.values)


@dataclass(frozen=True)
class Measure:
    """How a number is read from what a bundle says of a head."""

    key: str
    title: str
    unit: str
    digits: int
    section: str
    """Of the methods page, which defines it."""
    read: Callable[[HeadSummary, HeadRecord], float | None] = field(repr=False)


OF_CONTRIBUTIONS = (
    Measure("variance", "share of variance", "%", 2, "shares", lambda h, _: h.variance_share),
    Measure("mean", "mean share", "%", 2, "shares", lambda h, _: h.mean_share),
    Measure(
        "dimension",
        "effective dimension",
        "",
        1,
        "distribution",
        lambda h, _: h.effective_dimension,
    ),
    Measure(
        "outliers",
        "share from outlier tokens",
        "%",
        1,
        "outliers",
        lambda _, record: record.outlier_share,
    ),
    Measure(
        "singular",
        "share of its first singular vector",
        "%",
        1,
        "directions",
        lambda _, record: record.directions[0].share,
    ),
    Measure("cka", "CKA with its nearest head", "", 2, "relatives", lambda h, _: h.nearest_cka),
)
OF_ABLATION = (
    Measure("answers", "answers changed", "%", 1, "ablation", lambda h, _: h.answers_changed),
    Measure("direct", "direct effect", "10⁻³", 3, "ablation", lambda h, _: h.direct_effect),
    Measure("total", "total effect", "10⁻³", 3, "ablation", lambda h, _: h.total_effect),
    Measure(
        "ratio",
        "total over direct effect",
        "×",
        2,
        "ablation",
        lambda _, record: record.ablation.ratio.value if record.ablation.ratio else None,
    ),
    Measure(
        "kept",
        "direct change left",
        "%",
        0,
        "ablation",
        lambda _, record: record.ablation.kept.value if record.ablation.kept else None,
    ),
)
OF_LABELS = (
    Measure(
        "explained",
        "explained by its descriptions",
        "%",
        1,
        "textspan",
        lambda _, record: record.explained,
    ),
    Measure(
        "matches",
        "descriptions that match the label",
        "",
        0,
        "association",
        lambda h, record: (
            None if h.label is None else sum(d.matches_label for d in record.descriptions)
        ),
    ),
    Measure(
        "ccs",
        "concept consistency score",
        "",
        0,
        "consistency",
        lambda h, _: h.concept_consistency,
    ),
    Measure("confidence", "confidence of the label", "%", 0, "labels", lambda h, _: h.confidence),
)
GROUPS: tuple[tuple[str, tuple[Measure, ...]], ...] = (
    ("Contribution", OF_CONTRIBUTIONS),
    ("Mean ablation", OF_ABLATION),
    ("Descriptions and label", OF_LABELS),
)


def metrics_of(bundle: ModelBundle) -> tuple[Metric, ...]:
    """Everything that is measured of the heads of a model; what no head has is left out."""
    found = [*_measured(bundle), *_profiled(bundle), *_true_effects(bundle)]
    return tuple(metric for metric in found if metric.measured)


def by_group(metrics: Sequence[Metric]) -> dict[str, list[Metric]]:
    """The metrics under the names of their groups, both in order."""
    groups: dict[str, list[Metric]] = {}
    for metric in metrics:
        groups.setdefault(metric.group, []).append(metric)
    return groups


def _measured(bundle: ModelBundle) -> Iterator[Metric]:
    pairs = list(zip(bundle.record.heads, bundle.heads, strict=True))
    for group, measures in GROUPS:
        for measure in measures:
            yield Metric(
                key=measure.key,
                title=measure.title,
                group=group,
                unit=measure.unit,
                digits=measure.digits,
                defined=urls.METHODS.at(measure.section),
                values=tuple(measure.read(summary, record) for summary, record in pairs),
            )


def _profiled(bundle: ModelBundle) -> Iterator[Metric]:
    facts = bundle.record.profile
    for index, transform in enumerate(facts.transforms if facts else ()):
        yield Metric(
            key=f"effect-{transform.name}",
            title=transform.title,
            group="Effect of a change, relative to the mean head",
            unit="×",
            digits=2,
            defined=urls.METHODS.at("profile"),
            values=tuple(
                head.profile.effects[index].ratio if head.profile else None for head in bundle.heads
            ),
        )
    if facts:
        yield Metric(
            key="reading",
            title="towards a printed word",
            group="Reading",
            unit="SD",
            digits=2,
            defined=urls.METHODS.at("profile"),
            values=tuple(
                head.profile.reading.beyond if head.profile else None for head in bundle.heads
            ),
        )


def _true_effects(bundle: ModelBundle) -> Iterator[Metric]:
    if bundle.truth is None:
        return
    effects = {
        head.id: {effect.name: effect.total for effect in head.groups}
        for head in bundle.truth.heads
    }
    for name, title in GROUP_NAMES.items():
        yield Metric(
            key=f"truth-{name}",
            title=title,
            group="Causal effect in the scene",
            unit="",
            digits=2,
            defined=urls.GROUND_TRUTH,
            values=tuple(effects.get(head.id, {}).get(name) for head in bundle.heads),
        )
