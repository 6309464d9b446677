"""Pages for what the paper's authors published: labels of 320 heads, and two tables.

A head that a build has computed keeps its page; the other published heads get one at the same
address, marked as a published label only, so that every head cited in the paper has its URL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.paper import DEFINITION, AuditedModel, PaperRecord, Reading
from headatlas.citations import cite_published
from headatlas.links import Link, address
from headatlas.pages.everything import (
    COMPARE,
    HOME,
    PUBLISHED_LABELS,
    TABLE_1,
    Crumb,
    ModelView,
    Page,
)


@dataclass(frozen=True, eq=False)
class PublishedHead:
    """A head with its published label."""

    model: str
    id: str
    layer: int
    head: int
    label: str
    folded: str
    page: Link
    computed: bool
    """Whether the page shows a build."""


@dataclass(frozen=True, eq=False)
class PublishedModelView:
    """A model of the paper."""

    facts: AuditedModel
    page: Link
    heads: tuple[PublishedHead, ...]
    rows: tuple[tuple[int, tuple[PublishedHead, ...]], ...]
    """Layers with their heads, the last layer first."""
    built: ModelView | None


@dataclass(frozen=True, eq=False)
class PublishedHeadContent:
    """The page of a head of which only the label is published."""

    model: PublishedModelView
    head: PublishedHead
    json: Link
    source: str
    alike: tuple[PublishedHead, ...]
    """Other heads of the model with this label."""
    elsewhere: tuple[tuple[PublishedModelView, tuple[PublishedHead, ...]], ...]
    """Heads of other models with this label."""
    previous: PublishedHead | None
    following: PublishedHead | None


@dataclass(frozen=True, eq=False)
class PublishedModelContent:
    """The page of a model of the paper that was not built."""

    model: PublishedModelView
    shared: tuple[tuple[str, tuple[PublishedHead, ...]], ...]
    """Labels that several heads bear, the most frequent first."""
    source: str


@dataclass(frozen=True, eq=False)
class PublishedLabelsContent:
    """Every published label with its heads in every model."""

    models: tuple[PublishedModelView, ...]
    labels: tuple[tuple[str, tuple[tuple[PublishedHead, ...], ...]], ...]
    """Label, and for each model the heads that bear it; labels of most heads first."""
    source: str


@dataclass(frozen=True, eq=False)
class CompareContent:
    """Scores of the models that were built beside the paper's tables."""

    built: tuple[ModelView, ...]
    published: tuple[PublishedModelView, ...]


@dataclass(frozen=True, eq=False)
class Table1Content:
    """The recomputation of the paper's Table 1."""

    models: tuple[PublishedModelView, ...]
    report: PaperRecord
    measures: tuple[tuple[str, str], ...]
    """Each measure's name, and what it counts."""
    foldings: tuple[str, ...]
    shared_reading: Reading
    """By the paper's definition."""
    unique_reading: Reading
    shared: tuple[tuple[PublishedModelView, tuple[tuple[str, tuple[PublishedHead, ...]], ...]], ...]


def published_pages(
    paper: PaperRecord, built: Sequence[ModelView], base_url: str | None = None
) -> list[Page]:
    """List the pages that rest on published facts, in a fixed order."""
    models = tuple(_view(row, built) for row in paper.models)
    pages = [
        _compare(models, tuple(built)),
        _table_1(models, paper),
        _labels(models, paper.labels_source),
    ]
    for model in models:
        if model.facts.model not in {view.record.name for view in built}:
            pages.append(_model_page(model, paper.labels_source, base_url))
        pages += _head_pages(model, models, paper.labels_source, base_url)
    return pages


def _view(row: AuditedModel, built: Sequence[ModelView]) -> PublishedModelView:
    ours = next((model for model in built if model.record.name == row.model), None)
    computed = {head.id for head in ours.record.heads} if ours else set()
    heads = []
    for identity, label in row.labels.items():
        layer, head = (int(number) for number in re.findall(r"\d+", identity))
        heads.append(
            PublishedHead(
                model=row.model,
                id=identity,
                layer=layer,
                head=head,
                label=label,
                folded=fold_label(label),
                page=Link(f"{row.model}/{identity}/index.html"),
                computed=identity in computed,
            )
        )
    heads.sort(key=lambda head: (head.layer, head.head))
    layers = sorted({head.layer for head in heads}, reverse=True)
    # A model of one's own may have the name of the paper's, and then has its address.
    return PublishedModelView(
        facts=row,
        page=Link(f"{row.model}/index.html"),
        heads=tuple(heads),
        rows=tuple(
            (layer, tuple(head for head in heads if head.layer == layer)) for layer in layers
        ),
        built=None if ours is None or ours.local_weights else ours,
    )


def _bearers(model: PublishedModelView, folded: str) -> tuple[PublishedHead, ...]:
    return tuple(head for head in model.heads if head.folded == folded)


def _compare(models: tuple[PublishedModelView, ...], built: tuple[ModelView, ...]) -> Page:
    return Page(
        path=COMPARE.path,
        template="compare.html",
        title="Compare models",
        description="Entanglement and association of the models in this atlas, beside the two "
        "tables of the paper and what its published labels give.",
        content=CompareContent(built=built, published=models),
        trail=(Crumb("Atlas", HOME),),
        anchors=frozenset({"built", "paper"}),
    )


def _table_1(models: tuple[PublishedModelView, ...], report: PaperRecord) -> Page:
    return Page(
        path=TABLE_1.path,
        template="table1.html",
        title="Recomputing Table 1",
        description="The entanglement scores of six CLIP models, counted again from the labels "
        "that the paper's authors published, beside the printed ones.",
        content=Table1Content(
            models=models,
            report=report,
            measures=tuple({one.measure: one.title for one in report.readings}.items()),
            foldings=tuple(dict.fromkeys(one.folding for one in report.readings)),
            shared_reading=report.reading(DEFINITION),
            unique_reading=report.reading("unique"),
            shared=tuple((model, _shared_labels(model)) for model in models),
        ),
        trail=(Crumb("Atlas", HOME),),
        anchors=frozenset({"counts", "care", "findings", "readings", "spellings", "shared"}),
    )


def _labels(models: tuple[PublishedModelView, ...], source: str) -> Page:
    spelt: dict[str, str] = {}
    for model in models:
        for head in model.heads:
            spelt.setdefault(head.folded, head.label.rstrip("."))
    rows = [
        (name, tuple(_bearers(model, folded) for model in models)) for folded, name in spelt.items()
    ]
    rows.sort(key=lambda row: (-sum(map(len, row[1])), row[0].casefold()))
    count = sum(len(model.heads) for model in models)
    return Page(
        path=PUBLISHED_LABELS.path,
        template="published_labels.html",
        title="Published labels",
        description=f"The labels that the paper's authors published for {count} heads of "
        f"{len(models)} CLIP models: {len(rows)} different ones, with the heads that bear them.",
        content=PublishedLabelsContent(models=models, labels=tuple(rows), source=source),
        trail=(Crumb("Atlas", HOME),),
        anchors=frozenset({"models", "labels"}),
    )


def _shared_labels(
    model: PublishedModelView,
) -> tuple[tuple[str, tuple[PublishedHead, ...]], ...]:
    groups = {head.folded: _bearers(model, head.folded) for head in model.heads}
    shared = [(heads[0].label.rstrip("."), heads) for heads in groups.values() if len(heads) > 1]
    return tuple(sorted(shared, key=lambda row: (-len(row[1]), row[0].casefold())))


def _model_page(model: PublishedModelView, source: str, base_url: str | None) -> Page:
    name = model.facts.model
    return Page(
        path=model.page.path,
        template="published_model.html",
        title=name,
        description=f"The labels published for {len(model.heads)} attention heads of {name}.",
        content=PublishedModelContent(
            model=model,
            shared=_shared_labels(model),
            source=source,
        ),
        citation=cite_published(name, "labels of the heads", address(base_url, model.page.path)),
        trail=(Crumb("Atlas", HOME), Crumb("Published labels", PUBLISHED_LABELS)),
        anchors=frozenset({"heads", "scores", "shared", "cite"}),
    )


def _head_pages(
    model: PublishedModelView,
    models: tuple[PublishedModelView, ...],
    source: str,
    base_url: str | None,
) -> list[Page]:
    pages = []
    for place, head in enumerate(model.heads):
        if head.computed:
            continue
        same = _bearers(model, head.folded)
        elsewhere = [(other, _bearers(other, head.folded)) for other in models if other != model]
        content = PublishedHeadContent(
            model=model,
            head=head,
            json=Link(head.page.path.replace("index.html", "head.json")),
            source=source,
            alike=tuple(other for other in same if other is not head),
            elsewhere=tuple((other, heads) for other, heads in elsewhere if heads),
            previous=model.heads[place - 1] if place else None,
            following=model.heads[place + 1] if place + 1 < len(model.heads) else None,
        )
        name = f"{head.id} of {head.model}"
        pages.append(
            Page(
                path=head.page.path,
                template="published_head.html",
                title=f"{name}: {head.label}",
                description=f"Head {name}: the label {head.label}, as the paper's authors "
                "published it; not computed here.",
                content=content,
                trail=(Crumb("Atlas", HOME), Crumb(head.model, model.page)),
                anchors=frozenset({"same", "cite"}),
                citation=cite_published(
                    head.model,
                    f"label of head {head.id} ({head.label})",
                    address(base_url, head.page.path),
                ),
            )
        )
    return pages
