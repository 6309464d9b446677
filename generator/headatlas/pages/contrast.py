"""A contrast's page: where the whole model sees one text rather than another."""

from dataclasses import dataclass

from clipheads.bundle.model import ContrastRecord
from headatlas.citations import of_model
from headatlas.pages.page import Crumb, Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeatMapView, ModelView
from headatlas.urls import Link


@dataclass(frozen=True, eq=False)
class ContrastContent:
    """A contrast's page."""

    model: ModelView
    record: ContrastRecord
    heat: tuple[HeatMapView, ...]


def pages(site: SiteView) -> list[Page]:
    """A page for each contrast of each model that was built."""
    return [_page(model, record, link) for model in site.models for record, link in model.contrasts]


def _page(model: ModelView, record: ContrastRecord, link: Link) -> Page:
    name = model.record.name
    title = f"{record.first} vs {record.second}"
    return Page(
        link=link,
        template="contrast.html",
        title=f"{title} in {name}",
        description=f"Where {name} sees {record.first} rather than {record.second}, summed over "
        "all its heads.",
        content=ContrastContent(model=model, record=record, heat=model.heat(record.maps)),
        trail=(*model.trail, Crumb("Contrasts", model.contrasts_page)),
        reference=of_model(model.record, f"contrast {title}"),
    )
