"""The list of a model's contrasts."""

from dataclasses import dataclass

from clipheads.bundle.contrast import ContrastRecord
from headatlas.citations import of_model
from headatlas.pages.page import Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeatMapView, ModelView
from headatlas.urls import Link


@dataclass(frozen=True, eq=False)
class ContrastsContent:
    """The list of a model's contrasts."""

    model: ModelView
    contrasts: tuple[tuple[ContrastRecord, Link, HeatMapView | None], ...]


def pages(site: SiteView) -> list[Page]:
    """A page for each model that was built."""
    return [_page(model) for model in site.models]


def _page(model: ModelView) -> Page:
    name = model.record.name
    return Page(
        link=model.contrasts_page,
        template="contrasts.html",
        title=f"Contrasts in {name}",
        description=f"Where {name} sees one text rather than another.",
        content=ContrastsContent(
            model=model,
            contrasts=tuple(
                (record, link, next(iter(model.heat(record.maps)), None))
                for record, link in model.contrasts
            ),
        ),
        trail=model.trail,
        reference=of_model(model.record, "contrasts"),
    )
