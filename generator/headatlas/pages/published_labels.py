"""Every published label, with its heads in every model."""

from dataclasses import dataclass

from headatlas import urls
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.published import PublishedHead, PublishedModelView, as_shown
from headatlas.pages.site_view import SiteView


@dataclass(frozen=True, eq=False)
class PublishedLabelsContent:
    """The page."""

    models: tuple[PublishedModelView, ...]
    labels: tuple[tuple[str, tuple[tuple[PublishedHead, ...], ...]], ...]
    """Label, and for each model the heads that have it; labels of most heads first."""
    source: str


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    models = site.published.models
    shown: dict[str, str] = {}
    for model in models:
        for head in model.heads:
            shown.setdefault(head.folded, as_shown(head.label))
    rows = [
        (label, tuple(model.labelled(folded) for model in models))
        for folded, label in shown.items()
    ]
    rows.sort(key=lambda row: (-sum(map(len, row[1])), row[0].casefold()))
    count = sum(len(model.heads) for model in models)
    return [
        Page(
            link=urls.PUBLISHED_LABELS,
            template="published_labels.html",
            title="Published labels",
            description=f"The labels that the paper’s authors published for {count} heads of "
            f"{len(models)} CLIP models: {len(rows)} different ones, with the heads that have "
            "them.",
            content=PublishedLabelsContent(
                models=models, labels=tuple(rows), source=site.published.paper.labels_source
            ),
            trail=(ATLAS,),
            sections={"models": "Models", "labels": "Labels"},
        )
    ]
