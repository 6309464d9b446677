"""The page that checks heads, labels, neighbours and heat maps against what is known of the scenes.

Only models of the demo world have such a record: the content of photographs is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.ground_truth import (
    PRECISION_NEIGHBOURS,
    Curve,
    GroundTruthRecord,
    HeadTruth,
    LabellerComparison,
    LabelTruth,
    MapTruth,
)
from headatlas import urls
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, ModelView
from headatlas.pictures.causal_bars import GROUP_NAMES, EffectBar, causal_bars, is_exact
from headatlas.pictures.plots import ablation_plot, descriptions_plot
from headatlas.urls import Link

METHODS = {
    "published": ("labels of this atlas", "by its own labeller"),
    "explained": (
        "explained variance",
        "the most specific property that carries half of what the TEXTSPAN descriptions explain",
    ),
    "majority": (
        "majority of descriptions",
        "the property of most descriptions, weighted by rank, each category a property of its own",
    ),
    "count": (
        "most frequent property",
        "the most frequent property of the ten texts, if at least three have it: the rule of"
        " in-context labelling, without a language model’s knowledge",
    ),
    "neighbours": (
        "nearest images",
        "the property whose zero-shot answers the head’s nearest images share most; no longer used",
    ),
    "top images": (
        "top images",
        "what the head’s eight top images have in common; descriptions are not used",
    ),
}
"""How each way of labelling is called and described to readers."""

MAPS = {"topic": "One text", "contrast": "One text vs another"}
SHOWN_STEPS = (1, 2, 5, 10, 20)
"""Numbers of descriptions for which the table gives the accuracy."""


@dataclass(frozen=True, eq=False)
class HeadRow:
    """A head with what moves it."""

    view: HeadView
    truth: HeadTruth
    bars: tuple[EffectBar, ...]
    """Of the groups, in the order of `GROUP_NAMES`."""


@dataclass(frozen=True, eq=False)
class LabelRow:
    """A way of labelling against the truth."""

    name: str
    explained: str
    truth: LabelTruth


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """The ways of labelling on one demo CLIP."""

    name: str
    recipe: str
    chosen_on: bool
    """Whether the default labeller was chosen by this model, among others."""
    labels: tuple[LabelRow, ...]


@dataclass(frozen=True, eq=False)
class FaithfulnessRow:
    """A question's accuracy with few descriptions, with random texts, untouched, and by chance."""

    question: str
    described: tuple[float, ...]
    drawn: tuple[float, ...]
    untouched: float
    chance: float


@dataclass(frozen=True, eq=False)
class TruthView:
    """One model with its truth."""

    model: ModelView
    record: GroundTruthRecord
    published: LabelTruth
    """How right the labels on the pages are."""
    heads: tuple[HeadRow, ...]
    """By what moves them, and within it the largest share of the variance first."""
    labels: tuple[LabelRow, ...]
    unlabelled: int
    """Scored heads with a true property but no label."""
    exact: int
    """Of the right labels on the pages, those that name the true property and no wider one."""
    mixed: int
    """Heads of the scored layers without a true property."""
    mixed_labelled: int
    """Of these, with a label."""
    maps: tuple[tuple[str, tuple[MapTruth, ...]], ...]
    faithfulness: tuple[FaithfulnessRow, ...]
    descriptions_plot: Link
    ablation_plot: Link


@dataclass(frozen=True, eq=False)
class GroundTruthContent:
    """The page."""

    models: tuple[TruthView, ...]
    steps: tuple[int, ...]
    groups: tuple[tuple[str, str], ...]
    compared: tuple[ComparedModel, ...]
    """Models that played no part in the choice of the default labeller."""
    precision_neighbours: int
    chosen_on: tuple[str, ...]
    """Those by which it was chosen."""


def pages(site: SiteView) -> list[Page]:
    """The one page of all models whose ground truth is known; none if there is no such model."""
    truths = [(model, truth) for model in site.models if (truth := model.bundle.truth)]
    if not truths:
        return []
    tried = min(len(truth.faithfulness.by_descriptions[0].values) for _, truth in truths)
    steps = tuple(step for step in SHOWN_STEPS if step <= tried)
    views = tuple(_view(model, truth, steps) for model, truth in truths)
    return [
        Page(
            link=urls.GROUND_TRUTH,
            template="ground_truth.html",
            title="Ground truth",
            description="What moves each head of the demo model, measured by changing one thing of "
            "a scene at a time, and how many labels are correct.",
            content=_content(views, steps),
            trail=(ATLAS,),
            sections={
                "heads": "What moves each head",
                "labels": "Accuracy of labels",
                "pixels": "Effects of changes of pixels",
                "zero-shot": "Zero-shot accuracy",
                "neighbours": "Precision of nearest neighbours",
                "maps": "Localisation by heat maps",
                "faithfulness": "Faithfulness of descriptions",
                "stability": "Stability across galleries",
                "again": "Reproduce these numbers",
            },
            files={link: plot for view in views for link, plot in _plots(view).items()},
        )
    ]


def _content(models: tuple[TruthView, ...], steps: tuple[int, ...]) -> GroundTruthContent:
    comparison = read_record(data_file("demo", "labellers.json"), LabellerComparison)
    return GroundTruthContent(
        models=models,
        steps=steps,
        groups=tuple(GROUP_NAMES.items()),
        compared=tuple(
            ComparedModel(row.model, row.recipe, row.chosen_on, tuple(map(_label_row, row.labels)))
            for row in comparison.models
        ),
        precision_neighbours=PRECISION_NEIGHBOURS,
        chosen_on=tuple(row.model for row in comparison.models if row.chosen_on),
    )


def _plots(view: TruthView) -> dict[Link, bytes]:
    faithfulness = view.record.faithfulness
    return {
        view.descriptions_plot: descriptions_plot(faithfulness),
        view.ablation_plot: ablation_plot(faithfulness),
    }


def _view(model: ModelView, record: GroundTruthRecord, steps: Sequence[int]) -> TruthView:
    truths = {head.id: head for head in record.heads}
    order = list(GROUP_NAMES)
    rows = [_row(head, truths[head.summary.id]) for head in model.heads]
    scored = [row.truth for row in rows if row.view.summary.layer in record.scored_layers]
    mixed = [truth for truth in scored if truth.property is None]
    return TruthView(
        model=model,
        record=record,
        published=record.labels[0],
        heads=tuple(
            sorted(
                rows,
                key=lambda row: (
                    order.index(row.truth.groups[0].name),
                    row.truth.property is None,
                    -row.truth.variance_share,
                ),
            )
        ),
        labels=tuple(map(_label_row, record.labels)),
        unlabelled=record.labels[0].heads - record.labels[0].labelled,
        exact=sum(bool(truth.right) and is_exact(truth) for truth in scored),
        mixed=len(mixed),
        mixed_labelled=sum(truth.label is not None for truth in mixed),
        maps=tuple(
            (name, tuple(row for row in record.maps if row.kind == kind))
            for kind, name in MAPS.items()
        ),
        faithfulness=_faithfulness(record, steps),
        descriptions_plot=urls.plot(model.record.name, "descriptions"),
        ablation_plot=urls.plot(model.record.name, "ablation"),
    )


def _row(view: HeadView, truth: HeadTruth) -> HeadRow:
    return HeadRow(view, truth, causal_bars(truth))


def _label_row(truth: LabelTruth) -> LabelRow:
    return LabelRow(*METHODS[truth.method], truth)


def _faithfulness(record: GroundTruthRecord, steps: Sequence[int]) -> tuple[FaithfulnessRow, ...]:
    def at_steps(curve: Curve) -> tuple[float, ...]:
        return tuple(curve.values[step - 1] for step in steps)

    measured = record.faithfulness
    chances = {row.question: row.chance for row in record.zero_shot}
    return tuple(
        FaithfulnessRow(
            described.name,
            at_steps(described),
            at_steps(drawn),
            untouched.values[0],
            chances[described.name],
        )
        for described, drawn, untouched in zip(
            measured.by_descriptions, measured.by_random_texts, measured.untouched, strict=True
        )
    )
