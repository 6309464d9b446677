"""Turns a page into HTML: the same page gives the same bytes."""

from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clipheads.bundle.labels import LABELLED_BY
from clipheads.bundle.model import CONSISTENCY_TEXTS, MATCHES_NEEDED
from clipheads.bundle.outliers import LARGE
from headatlas import formats, urls
from headatlas.citations import HERE, METHOD
from headatlas.pages import methods
from headatlas.pages.dataset import dataset
from headatlas.pages.page import Page
from headatlas.pictures.heat_maps import heat_map_uri, peak, strongest_region
from headatlas.publish.base_url import is_web_address
from headatlas.publish.schemas import RECORDS
from headatlas.sources import linked
from headatlas.template_files import templates_folder
from headatlas.urls import Link, Urls


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The template environment: everything is escaped, and an undefined name is an error."""
    made = Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "full_title": formats.full_title,
        "shortened": formats.shortened,
        "in_words": formats.in_words,
        "points": formats.points,
        "percent": formats.percent,
        "decimal": formats.decimal,
        "significant": formats.significant,
        "thousands": formats.thousands,
        "file_size": formats.file_size,
        "linked": linked,
        "as_dataset": dataset,
        "plural": formats.plural,
        "ordinal": formats.ordinal,
        "shade": formats.shade,
        "heat_map": heat_map_uri,
        "peak": peak,
        "strongest_region": strongest_region,
    }
    made.tests["web_address"] = is_web_address
    made.globals |= {
        "matches_needed": MATCHES_NEEDED,
        "large_outlier_share": LARGE,
        "consistency_texts": CONSISTENCY_TEXTS,
        "labelled_by": LABELLED_BY,
        "here": HERE,
        "method_paper": METHOD,
        "home": urls.HOME,
        "models": urls.HOME.at("models"),
        "methods": urls.METHODS,
        "compare": urls.COMPARE,
        "compare_heads": urls.COMPARE_HEADS,
        "table_1": urls.TABLE_1,
        "ground_truth": urls.GROUND_TRUTH,
        "published_labels": urls.PUBLISHED_LABELS,
        "literature": urls.LITERATURE,
        "search": urls.SEARCH,
        "data": urls.DATA,
        "all_heads": urls.heads(),
        "schemas": {name: urls.schema(name) for name in RECORDS},
        "method": {anchor: urls.METHODS.at(anchor) for anchor in methods.SECTIONS},
    }
    return made


def render(
    page: Page,
    addresses: Urls | None = None,
    searched: frozenset[str] = frozenset(),
    *,
    measured: bool = False,
) -> str:
    """The HTML of a page.

    Links are relative; with a base URL in `addresses` the page also names its canonical address.
    Only the page for missing pages then has links from the host's root, because a server shows it
    anywhere. `searched` names the models that the search page knows; without any there is no such
    page. `measured` says whether there is a page Ground truth.
    """
    addresses = addresses or Urls()
    based = addresses.base_url is not None
    rooted = page.link == urls.NOT_FOUND and based

    def write_link(link: Link) -> str:
        return addresses.from_host(link) if rooted else urls.relative(page.link, link)

    html = (
        environment()
        .get_template(page.template)
        .render(
            page=page,
            content=page.content,
            citation=page.citation(addresses),
            licence=addresses.licence,
            addresses=addresses,
            searched=searched,
            measured=measured,
            rooted=rooted,
            link=write_link,
            asset=lambda name: write_link(urls.asset(name)),
            canonical=addresses.permanent(page.link) if based else None,
            preview=addresses.permanent(page.picture) if based and page.picture else None,
        )
    )
    return html.rstrip() + "\n"
