"""The page that sets labels, neighbours and heat maps beside what is known to be true.

Only models of the demo world have such a record: of natural photographs nobody knows the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clipheads.bundle import (
    AttributeSeparation,
    Curve,
    GroundTruthRecord,
    HeadTruth,
    LabelTruth,
    MapTruth,
)

from .links import Link
from .pages import GROUND_TRUTH, HOME, Crumb, HeadView, ModelView, Page
from .plots import ablation_plot, descriptions_plot

METHODS = {
    "descriptions": (
        "majority of descriptions",
        "the property of most TEXTSPAN picks, weighted by rank, as in the paper’s study",
    ),
    "neighbours": (
        "nearest images",
        "the property whose answers by the whole model the head’s nearest images share most",
    ),
    "top images": (
        "top images alone",
        "what the head’s eight strongest images have in common; no text is asked",
    ),
}
"""How each way of labelling is called and described to readers."""

MAPS = {"topic": "A word on a picture", "contrast": "One word against another"}
SHOWN_STEPS = (1, 2, 5, 10, 20)
"""Numbers of descriptions for which the table gives the accuracy."""


@dataclass(frozen=True, eq=False)
class HeadRow:
    """A head with what it separates."""

    view: HeadView
    truth: HeadTruth
    best: AttributeSeparation
    agrees: bool | None
    """Whether its label is its true property; None without a label."""


@dataclass(frozen=True, eq=False)
class LabelRow:
    """A way of labelling against the truth."""

    name: str
    explained: str
    used: bool
    """Whether it made the labels of this atlas."""
    truth: LabelTruth


@dataclass(frozen=True, eq=False)
class FaithfulnessRow:
    """A question's accuracy with few descriptions, with random texts, and untouched."""

    question: str
    described: tuple[float, ...]
    drawn: tuple[float, ...]
    untouched: float


@dataclass(frozen=True, eq=False)
class TruthView:
    """One model with its truth."""

    model: ModelView
    record: GroundTruthRecord
    attributes: tuple[str, ...]
    layers: tuple[tuple[int, tuple[HeadRow, ...]], ...]
    """Layers with their heads, the last layer first."""
    labels: tuple[LabelRow, ...]
    maps: tuple[tuple[str, tuple[MapTruth, ...]], ...]
    faithfulness: tuple[FaithfulnessRow, ...]
    descriptions_plot: Link
    ablation_plot: Link


@dataclass(frozen=True, eq=False)
class GroundTruthContent:
    """The page."""

    models: tuple[TruthView, ...]
    steps: tuple[int, ...]


def ground_truth_page(models: Sequence[ModelView]) -> Page | None:
    """The page of all models whose truth is known, or None if there is none."""
    known = tuple(_view(model, truth) for model in models if (truth := model.bundle.truth))
    if not known:
        return None
    return Page(
        path=GROUND_TRUTH.path,
        template="ground_truth.html",
        title="Ground truth",
        description=(
            "How often labels, neighbours and heat maps of the demo atlas are true, against"
            " scenes of which everything is known."
        ),
        content=GroundTruthContent(known, SHOWN_STEPS),
        trail=(Crumb("Atlas", HOME),),
    )


def ground_truth_plots(models: Sequence[ModelView]) -> dict[str, bytes]:
    """The plots of the page as SVG, by path from the site's root."""
    files = {}
    for model in models:
        if model.bundle.truth:
            faithfulness = model.bundle.truth.faithfulness
            files[_plot(model, "descriptions").path] = descriptions_plot(faithfulness)
            files[_plot(model, "ablation").path] = ablation_plot(faithfulness)
    return files


def _plot(model: ModelView, name: str) -> Link:
    return Link(f"ground-truth/{model.record.name}-{name}.svg")


def _view(model: ModelView, record: GroundTruthRecord) -> TruthView:
    truths = {head.id: head for head in record.heads}
    return TruthView(
        model=model,
        record=record,
        attributes=tuple(one.attribute for one in record.heads[0].separations),
        layers=tuple(
            (layer, tuple(_row(head, truths[head.summary.id]) for head in heads))
            for layer, heads in model.rows
        ),
        labels=tuple(_label_row(model, truth) for truth in record.labels),
        maps=tuple(
            (name, tuple(one for one in record.maps if one.kind == kind))
            for kind, name in MAPS.items()
        ),
        faithfulness=_faithfulness(record),
        descriptions_plot=_plot(model, "descriptions"),
        ablation_plot=_plot(model, "ablation"),
    )


def _row(view: HeadView, truth: HeadTruth) -> HeadRow:
    best = max(truth.separations, key=lambda one: one.gain)
    return HeadRow(view, truth, best, truth.agrees)


def _label_row(model: ModelView, truth: LabelTruth) -> LabelRow:
    name, explained = METHODS[truth.method]
    used = {"embedded": "descriptions"}.get(model.record.labeller.kind, model.record.labeller.kind)
    return LabelRow(name, explained, used == truth.method, truth)


def _faithfulness(record: GroundTruthRecord) -> tuple[FaithfulnessRow, ...]:
    def at_steps(curve: Curve) -> tuple[float, ...]:
        return tuple(curve.values[step - 1] for step in SHOWN_STEPS)

    measured = record.faithfulness
    return tuple(
        FaithfulnessRow(described.name, at_steps(described), at_steps(drawn), untouched.values[0])
        for described, drawn, untouched in zip(
            measured.by_descriptions, measured.by_random_texts, measured.untouched, strict=True
        )
    )
