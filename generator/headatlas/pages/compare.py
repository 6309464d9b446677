"""Scores of the models that were built, beside the paper's tables."""

from dataclasses import dataclass

from headatlas import urls
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.published import PublishedModelView
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView


@dataclass(frozen=True, eq=False)
class CompareContent:
    """The page."""

    built: tuple[ModelView, ...]
    published: tuple[PublishedModelView, ...]
    both: bool
    """Whether one of the paper's models was built."""


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    published = site.published.models
    return [
        Page(
            link=urls.COMPARE,
            template="compare.html",
            title="Compare models",
            description="Entanglement and association of the models in this atlas, beside the two "
            "tables of the paper and what its published labels give.",
            content=CompareContent(
                built=site.models,
                published=published,
                both=any(model.built for model in published),
            ),
            trail=(ATLAS,),
            sections={"built": "Computed in this atlas", "paper": "The paper’s models"},
        )
    ]
