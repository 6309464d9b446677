"""Turns a page into HTML: the same page gives the same bytes."""

from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clipheads.errors import AtlasError

from .heatmap_png import heatmap_uri, peak, place
from .links import Link, address, relative
from .pages import (
    COMPARE,
    GROUND_TRUTH,
    HOME,
    METHODS,
    METHODS_ANCHORS,
    NOT_FOUND,
    PUBLISHED_LABELS,
    SEARCH,
    TABLE_1,
    Page,
)
from .schemas import RECORDS, schema_link

MINUS = "\N{MINUS SIGN}"

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Content Security Policy: nothing but the site itself, and heat maps written into the page."""


def templates_folder() -> Path:
    """The templates: of the installed package, or of the repository it was checked out from."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "templates", here.parents[2] / "templates"):
        if (folder / "page.html").is_file():
            return folder
    raise AtlasError(f"{here.parent}: the templates are missing; reinstall clip-head-atlas")


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: 0.0312 gives "3.1%"."""
    text = f"{abs(share) * 100:.{digits}f}"
    sign = MINUS if share < 0 and float(text) != 0 else ""
    return f"{sign}{text}%"


def decimal(value: float, digits: int = 2) -> str:
    """A number with a fixed number of digits and a true minus sign."""
    text = f"{abs(value):.{digits}f}"
    sign = MINUS if value < 0 and float(text) != 0 else ""
    return sign + text


def significant(value: float) -> str:
    """A number with two significant digits, such as 0.0041 or 3.1e−7 as "3.1 × 10⁻⁷"."""
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e4:
        return f"{value:.2g}".replace("-", MINUS)
    mantissa, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}".replace("-", MINUS)


def thousands(value: int) -> str:
    """A whole number with thin spaces, as in "86 192 640"."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 head", "3 heads"."""
    return f"{thousands(count)} {noun}" if count == 1 else f"{thousands(count)} {noun}s"


def ordinal(place: int) -> str:
    """A place in an order: 1st, 2nd, 3rd, 4th, 11th."""
    last = place % 100 if place % 100 in (11, 12, 13) else place % 10
    return f"{place}{({1: 'st', 2: 'nd', 3: 'rd'}).get(last, 'th')}"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The template environment: everything is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": percent,
        "decimal": decimal,
        "significant": significant,
        "thousands": thousands,
        "plural": plural,
        "ordinal": ordinal,
        "heatmap": heatmap_uri,
        "peak": peak,
        "place": place,
    }
    made.globals |= {
        "policy": POLICY,
        "home": HOME,
        "models": Link(HOME.path, "models"),
        "methods": METHODS,
        "compare": COMPARE,
        "table_1": TABLE_1,
        "ground_truth": GROUND_TRUTH,
        "published_labels": PUBLISHED_LABELS,
        "search": SEARCH,
        "schemas": {name: schema_link(name) for name in RECORDS},
        "method": {anchor: Link(METHODS.path, anchor) for anchor in METHODS_ANCHORS},
    }
    return made


def render(page: Page, base_url: str | None = None, searched: frozenset[str] = frozenset()) -> str:
    """The HTML of a page.

    Links are relative; with a base URL the page also names its canonical address. Only
    `404.html` then has links from the host's root, because a server shows it anywhere. `searched`
    names the models that the search page knows; without any there is no such page.
    """
    from_root = page.path == NOT_FOUND and base_url is not None

    def write_link(link: Link) -> str:
        if from_root:
            return address(urlsplit(base_url or "").path, link.path)
        return relative(page.path, link)

    html = (
        environment()
        .get_template(page.template)
        .render(
            page=page,
            content=page.content,
            searched=searched,
            link=write_link,
            asset=lambda name: write_link(Link(f"assets/{name}")),
            canonical=None if base_url is None else address(base_url, page.path),
            preview=None
            if base_url is None or page.picture is None
            else address(base_url, page.picture.path),
        )
    )
    return html.rstrip() + "\n"
