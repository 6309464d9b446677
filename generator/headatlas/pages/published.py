"""What the pages of published facts share: the paper's models and heads, with their labels.

A head that a build has computed keeps its page; the other published heads get one at the same
address, marked as a published label only, so that every head cited in the paper has its URL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.paper import AuditedModel, PaperRecord
from headatlas import urls
from headatlas.pages.view import ModelView
from headatlas.urls import Link


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

    def labelled(self, folded: str) -> tuple[PublishedHead, ...]:
        """The heads with this label, which is given as `fold_label` makes it."""
        return tuple(head for head in self.heads if head.folded == folded)

    @property
    def shared_labels(self) -> tuple[tuple[str, tuple[PublishedHead, ...]], ...]:
        """Labels of several heads with these, the most frequent first."""
        groups = {head.folded: self.labelled(head.folded) for head in self.heads}
        shared = [(as_shown(heads[0].label), heads) for heads in groups.values() if len(heads) > 1]
        return tuple(sorted(shared, key=lambda row: (-len(row[1]), row[0].casefold())))


@dataclass(frozen=True, eq=False)
class PublishedView:
    """What the paper's authors published, and what can be counted of it."""

    paper: PaperRecord
    models: tuple[PublishedModelView, ...]


def published_view(paper: PaperRecord, built: Sequence[ModelView]) -> PublishedView:
    """The published facts beside the models that were built."""
    return PublishedView(paper, tuple(_model_view(row, built) for row in paper.models))


def as_shown(label: str) -> str:
    """A label without the full stop that some are published with."""
    return label.rstrip(".")


def _model_view(row: AuditedModel, built: Sequence[ModelView]) -> PublishedModelView:
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
                page=urls.head(row.model, identity),
                computed=identity in computed,
            )
        )
    heads.sort(key=lambda head: (head.layer, head.head))
    layers = sorted({head.layer for head in heads}, reverse=True)
    # A user's own model may have the name of one of the paper's, and then has its address.
    return PublishedModelView(
        facts=row,
        page=urls.model(row.model),
        heads=tuple(heads),
        rows=tuple(
            (layer, tuple(head for head in heads if head.layer == layer)) for layer in layers
        ),
        built=None if ours is None or ours.local_weights else ours,
    )
