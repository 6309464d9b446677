"""A contrast's page: where the whole model sees one text rather than another."""

from dataclasses import dataclass

from clipheads.bundle.contrast import SHOWN_IMAGES, SHOWN_WITHIN, ContrastMap, ContrastRecord
from headatlas.citations import of_model
from headatlas.pages.page import Crumb, Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, HeatMapView, ModelView
from headatlas.urls import Link


@dataclass(frozen=True, eq=False)
class ContrastContent:
    """A contrast's page."""

    model: ModelView
    record: ContrastRecord
    pictures: tuple[tuple[HeatMapView, ContrastMap], ...]
    heads: tuple[tuple[HeadView, float], ...]
    """Those that tell the two texts apart most, with their shares."""

    within: float = SHOWN_WITHIN
    most_pictures: int = SHOWN_IMAGES

    @property
    def in_all_layers(self) -> bool:
        """Whether the bundle has the heads of every layer."""
        record = self.model.record
        return len(record.layers) == record.architecture.layers


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
        content=ContrastContent(
            model=model,
            record=record,
            pictures=tuple(zip(model.heat(record.maps), record.maps, strict=True)),
            heads=tuple((model.head(head.head), head.share) for head in record.heads),
        ),
        trail=(*model.trail, Crumb("Contrasts", model.contrasts_page)),
        sections={"heads": "Heads that tell them apart"},
        reference=of_model(model.record, f"contrast {title}"),
    )
