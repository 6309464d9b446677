"""All kinds of pages: a new one is a module here, a template of its stem, and a line below."""

from types import ModuleType

from headatlas.pages import (
    compare,
    compare_heads,
    contrast,
    contrasts,
    data,
    finder,
    ground_truth,
    head,
    heads,
    home,
    image,
    images,
    literature,
    methods,
    model,
    not_found,
    properties,
    property,  # noqa: A004
    published_head,
    published_labels,
    published_model,
    search,
    table1,
)
from headatlas.pages.page import Page
from headatlas.pages.site_view import SiteView

KINDS: tuple[ModuleType, ...] = (
    home,
    methods,
    not_found,
    heads,
    model,
    finder,
    head,
    properties,
    property,
    contrasts,
    contrast,
    images,
    image,
    compare,
    compare_heads,
    table1,
    published_labels,
    published_model,
    published_head,
    literature,
    search,
    data,
    ground_truth,
)
"""In the order of the sitemap. Each has `pages(site)`, which may be none."""


def all_pages(site: SiteView) -> list[Page]:
    """Every page of the site, in a fixed order."""
    return [page for kind in KINDS for page in kind.pages(site)]
