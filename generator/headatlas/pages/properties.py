"""The list of a model's properties, with the heads that each labels."""

from dataclasses import dataclass

from headatlas.citations import of_model
from headatlas.pages.page import Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, ModelView, PropertyView


@dataclass(frozen=True, eq=False)
class PropertiesContent:
    """The list of a model's properties."""

    model: ModelView
    properties: tuple[tuple[PropertyView, tuple[HeadView, ...]], ...]
    unlabelled: tuple[HeadView, ...]


def pages(site: SiteView) -> list[Page]:
    """A page for each model that was built."""
    return [_page(model) for model in site.models]


def _page(model: ModelView) -> Page:
    name = model.record.name
    return Page(
        link=model.properties_page,
        template="properties.html",
        title=f"Properties of {name}",
        description=f"The properties that label heads of {name}.",
        content=PropertiesContent(
            model=model,
            properties=tuple(
                (prop, tuple(map(model.head, prop.record.heads))) for prop in model.properties
            ),
            unlabelled=tuple(head for head in model.heads if head.property is None),
        ),
        trail=model.trail,
        reference=of_model(model.record, "properties"),
    )
