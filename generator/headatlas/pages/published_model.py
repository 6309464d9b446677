"""The page of a model of the paper that was not built here."""

from dataclasses import dataclass

from headatlas import urls
from headatlas.citations import of_published
from headatlas.pages.page import ATLAS, Crumb, Page
from headatlas.pages.published import PublishedModelView
from headatlas.pages.site_view import SiteView


@dataclass(frozen=True, eq=False)
class PublishedModelContent:
    """The page."""

    model: PublishedModelView
    source: str


def pages(site: SiteView) -> list[Page]:
    """A page for each model of the paper whose address no built model has."""
    built = {model.record.name for model in site.models}
    source = site.published.paper.labels_source
    models = site.published.models
    return [_page(model, source) for model in models if model.facts.model not in built]


def _page(model: PublishedModelView, source: str) -> Page:
    name = model.facts.model
    return Page(
        link=model.page,
        template="published_model.html",
        title=name,
        description=f"The labels published for {len(model.heads)} attention heads of {name}.",
        content=PublishedModelContent(model=model, source=source),
        trail=(ATLAS, Crumb("Published labels", urls.PUBLISHED_LABELS)),
        sections={
            "heads": "Heads by layer",
            "scores": "Printed scores",
            "shared": "Shared labels",
        },
        reference=of_published(name, "labels of the heads"),
    )
