"""A property's page: the heads that it labels, and the nearest neighbours of images by them."""

from dataclasses import dataclass

from headatlas.citations import of_model
from headatlas.pages.page import Crumb, Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, ModelView, NeighbourView, Picture, PropertyView


@dataclass(frozen=True, eq=False)
class PropertyContent:
    """A property's page."""

    model: ModelView
    property: PropertyView
    heads: tuple[HeadView, ...]
    queries: tuple[tuple[Picture, tuple[NeighbourView, ...]], ...]


def pages(site: SiteView) -> list[Page]:
    """A page for each property of each model that was built."""
    return [_page(model, prop) for model in site.models for prop in model.properties]


def _page(model: ModelView, prop: PropertyView) -> Page:
    name, title = model.record.name, prop.record.name
    return Page(
        link=prop.page,
        template="property.html",
        title=f"{title} in {name}",
        description=f"The heads of {name} labelled {title}, and the nearest neighbours of images "
        "by them.",
        content=PropertyContent(
            model=model,
            property=prop,
            heads=tuple(map(model.head, prop.record.heads)),
            queries=tuple(
                (model.pictures[query.image], model.near(query.neighbours))
                for query in prop.record.queries
            ),
        ),
        trail=(*model.trail, Crumb("Properties", model.properties_page)),
        sections={"heads": "Heads", "neighbours": "Nearest neighbours by this property"},
        reference=of_model(model.record, f"property {title}"),
    )
