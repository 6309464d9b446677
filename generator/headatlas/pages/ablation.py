"""What a head's page shows of its ablation: answers that change, direct and total effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from clipheads.bundle.ablation import Estimate, HeadAblation, ModelAblation, QuestionAblation
from headatlas.pages.metrics import Metric
from headatlas.pages.view import ModelView, PropertyView

QUESTIONS_SHOWN = 6
"""Of the most affected; all are in the page's JSON."""
MOSTLY = 2.0
"""A head acts mostly through later blocks if the interval of total over direct lies above this."""

Route = Literal["mostly later", "also later", "weaker", "alike"]
Left = Literal["amplified", "undone", "alike"]


@dataclass(frozen=True, eq=False)
class MeasuredRow:
    """A number of the head beside that of the mean head; positions are percentages of a bar."""

    title: str
    estimate: Estimate
    mean: float
    rank: int
    value_at: float
    low_at: float
    high_at: float
    mean_at: float


@dataclass(frozen=True, eq=False)
class QuestionRow:
    """What ablation does to the answers to one question."""

    effect: QuestionAblation
    label: PropertyView | None
    """The property that is asked about, if it labels a head."""
    clear: bool
    value_at: float
    mean_at: float


@dataclass(frozen=True, eq=False)
class AblationView:
    """How much one head matters."""

    record: HeadAblation
    facts: ModelAblation
    heads: int
    answers: MeasuredRow | None
    effects: tuple[MeasuredRow, ...]
    """Direct and total, on one scale for all heads."""
    questions: tuple[QuestionRow, ...]
    """The most affected of those to which more answers change than with the mean head."""

    @property
    def clear(self) -> list[QuestionRow]:
        """Those shown that are clearly affected."""
        return [row for row in self.questions if row.clear]

    @property
    def route(self) -> Route:
        """How the total compares with the direct effect, by the interval of their ratio."""
        ratio = self.record.ratio
        if ratio is None or ratio.low <= 1 <= ratio.high:
            return "alike"
        if ratio.high < 1:
            return "weaker"
        return "mostly later" if ratio.low > MOSTLY else "also later"

    @property
    def left(self) -> Left:
        """What later blocks make of the direct change, by the interval of what they keep."""
        kept = self.record.kept
        if kept is None or kept.low <= 1 <= kept.high:
            return "alike"
        return "undone" if kept.high < 1 else "amplified"


def ablation_view(model: ModelView, position: int) -> AblationView:
    """The ablation of the head at a position of the model, as its page shows it."""
    record, facts = model.bundle.heads[position].ablation, model.record.ablation
    metrics = {metric.key: metric for metric in model.metrics}
    summaries = [head.summary for head in model.heads]
    effects = [
        ("direct", record.direct, [summary.direct_effect for summary in summaries]),
        ("total", record.total, [summary.total_effect for summary in summaries]),
    ]
    everywhere = [head.ablation for head in model.bundle.heads]
    longest = max(end for head in everywhere for end in (head.direct.high, head.total.high))
    changed = [s.answers_changed for s in summaries if s.answers_changed is not None]
    shown = [row for row in record.questions if row.score > 0][:QUESTIONS_SHOWN]
    most = max((value for row in shown for value in (row.changed, row.mean)), default=0.0)
    return AblationView(
        record=record,
        facts=facts,
        heads=len(summaries),
        answers=_row(
            "answers", record.answers_changed, changed, metrics["answers"], position, max(changed)
        )
        if record.answers_changed
        else None,
        effects=tuple(
            _row(key, own, values, metrics[key], position, longest) for key, own, values in effects
        ),
        questions=tuple(
            QuestionRow(
                effect=row,
                label=model.property_named(row.property),
                clear=row.score > facts.clear,
                value_at=_percent(row.changed, most),
                mean_at=_percent(row.mean, most),
            )
            for row in shown
        ),
    )


def _row(
    title: str,
    estimate: Estimate,
    all_of: Sequence[float],
    metric: Metric,
    position: int,
    scale: float,
) -> MeasuredRow:
    mean = sum(all_of) / len(all_of)
    return MeasuredRow(
        title=title,
        estimate=estimate,
        mean=mean,
        rank=metric.ranks[position] or len(all_of),
        value_at=_percent(estimate.value, scale),
        low_at=_percent(estimate.low, scale),
        high_at=_percent(estimate.high, scale),
        mean_at=_percent(mean, scale),
    )


def _percent(value: float, scale: float) -> float:
    return round(100 * min(1.0, max(0.0, value) / scale), 2) if scale else 0.0
