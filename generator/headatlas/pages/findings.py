"""What an atlas found, in a sentence each; every figure is read from the records."""

from dataclasses import dataclass
from itertools import accumulate

from clipheads.bundle.paper import DEFINITION
from headatlas import urls
from headatlas.formats import decimal, in_words, percent, plural
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView
from headatlas.urls import Link


@dataclass(frozen=True, eq=False)
class Finding:
    """A sentence with its figure."""

    figure: str
    sentence: str
    """Reads on from the figure."""
    page: Link
    """Shows what the figure was read from."""
    source: str
    """Names that page."""


def findings(site: SiteView, count: int) -> tuple[Finding, ...]:
    """The first `count` of all findings that the records of an atlas allow.

    The model is the first whose ground truth is known, or the first.
    """
    model = next(iter(site.measured), site.models[0])
    found = [
        _correct_labels(model),
        _labelled(model),
        _ablation(model),
        _table_1(site),
        _strongest_cause(model),
        _concentration(model),
    ]
    return tuple(finding for finding in found if finding is not None)[:count]


def _correct_labels(model: ModelView) -> Finding | None:
    truth = model.bundle.truth
    if truth is None or not truth.labels[0].labelled:
        return None
    labels = truth.labels[0]
    chance = (
        ""
        if labels.chance is None
        else f" The same labels in random order would be correct {decimal(labels.chance, 1)} times."
    )
    return Finding(
        f"{labels.right} of {labels.labelled}",
        f"labels of {model.record.name} are correct: interventions on scenes move these heads "
        f"most by what the label names.{chance}",
        urls.GROUND_TRUTH,
        "Ground truth",
    )


def _ablation(model: ModelView) -> Finding | None:
    """The head that changes most zero-shot answers."""
    changes = [
        (head.summary.answers_changed, head)
        for head in model.heads
        if head.summary.answers_changed is not None
    ]
    if not changes:
        return None
    most, head = max(changes, key=lambda change: change[0])
    questions = len(model.record.ablation.questions)
    return Finding(
        percent(most),
        f"of the answers to {plural(questions, 'zero-shot question')} change when the contribution "
        f"of {head.summary.id} of {model.record.name} alone is replaced by its mean, more than for "
        "any other head.",
        head.page,
        head.summary.id,
    )


def _concentration(model: ModelView) -> Finding | None:
    shares = sorted((head.summary.variance_share for head in model.heads), reverse=True)
    if len(shares) < 2 or sum(shares) <= 0:
        return None
    half = next(
        number
        for number, sum_of_first in enumerate(accumulate(shares), start=1)
        if sum_of_first >= 0.5 * sum(shares)
    )
    return Finding(
        f"{half} of {len(shares)}",
        f"heads of {model.record.name} contribute half of the variance that its heads contribute "
        "to the embedding.",
        model.finder_page,
        "Finder",
    )


def _strongest_cause(model: ModelView) -> Finding | None:
    """The largest effect of a change on a head that stands out under it."""
    facts = model.record.profile
    if facts is None:
        return None
    effects = [
        (effect.ratio, transform.title, head)
        for head, record in zip(model.heads, model.bundle.heads, strict=True)
        if record.profile
        for transform, effect in zip(facts.transforms, record.profile.effects, strict=True)
        if effect.stands_out
    ]
    if not effects:
        return None
    ratio, title, head = max(effects, key=lambda effect: effect[0])
    heads = len({id(each) for _, _, each in effects})
    return Finding(
        f"{decimal(ratio, 1)} ×",
        f"as much as the average head is {head.summary.id} of {model.record.name} moved by "
        f"{title}; {plural(heads, 'head')} of {len(model.heads)} "
        f"{'stands' if heads == 1 else 'stand'} out under at least one change to the image.",
        head.page.at("profile"),
        head.summary.id,
    )


def _table_1(site: SiteView) -> Finding | None:
    paper = site.published.paper
    reading = paper.reading(DEFINITION)
    pairs = reading.same_order + reading.reversed_order + reading.tied
    if not reading.reversed_order:
        return None
    return Finding(
        f"{reading.reversed_order} of {pairs}",
        "pairs of models change places when the entanglement scores that the paper prints for "
        f"{in_words(len(paper.models))} models are recomputed from their published labels.",
        urls.TABLE_1,
        "Recomputing Table 1",
    )


def _labelled(model: ModelView) -> Finding | None:
    if model.labelled_variance is None:
        return None
    return Finding(
        percent(model.labelled_variance, 0),
        f"of the variance that the heads of {model.record.name} contribute is in the "
        f"{model.labelled} of {len(model.heads)} heads that have a label.",
        model.page,
        model.record.name,
    )
