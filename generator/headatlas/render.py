"""Turns a page into HTML: the same page gives the same bytes."""

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import LABELLED_BY
from clipheads.maths.scores import MATCHES_NEEDED
from headatlas.links import Link, address, relative
from headatlas.pages.everything import (
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
from headatlas.pictures.heat_maps import heat_map_uri, peak, strongest_region
from headatlas.publish.base_url import is_web_address
from headatlas.publish.schemas import RECORDS, schema_link

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


TITLE_LENGTH = 65
DESCRIPTION_LENGTH = 160
"""Longer ones are cut by search engines, in places that they choose."""
SITE = "CLIP Head Atlas"
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def full_title(title: str) -> str:
    """The title of a page with the site's name behind it, as far as both fit."""
    whole = f"{title} · {SITE}"
    return title if title == SITE or len(whole) > TITLE_LENGTH else whole


def shortened(text: str, length: int = DESCRIPTION_LENGTH) -> str:
    """The text, cut between two words if it is longer than `length`.

    >>> shortened("Where a model sees one text rather than another", 20)
    'Where a model sees…'
    """
    if len(text) <= length:
        return text
    cut = text[:length]
    return cut[: cut.rfind(" ") if " " in cut else length - 1].rstrip(" ,;:.") + "…"


def in_words(count: int) -> str:
    """A count as prose has it: "four", "ten", but "12"."""
    return WORDS[count] if count < len(WORDS) else thousands(count)


def points(share: float) -> str:
    """A difference of two shares in percentage points, with its sign: 0.17 gives "+17.0 points"."""
    text = decimal(100 * share, 1)
    return f"{text if text.startswith(MINUS) else '+' + text} points"


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
    """A whole number in groups of three digits, as in "86,192,640"."""
    return f"{value:,}"


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
        "full_title": full_title,
        "shortened": shortened,
        "in_words": in_words,
        "points": points,
        "percent": percent,
        "decimal": decimal,
        "significant": significant,
        "thousands": thousands,
        "plural": plural,
        "ordinal": ordinal,
        "heat_map": heat_map_uri,
        "peak": peak,
        "strongest_region": strongest_region,
    }
    made.tests["web_address"] = is_web_address
    made.globals |= {
        "policy": POLICY,
        "matches_needed": MATCHES_NEEDED,
        "labelled_by": LABELLED_BY,
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


def render(
    page: Page,
    base_url: str | None = None,
    searched: frozenset[str] = frozenset(),
    *,
    measured: bool = False,
) -> str:
    """The HTML of a page.

    Links are relative; with a base URL the page also names its canonical address. Only
    `404.html` then has links from the host's root, because a server shows it anywhere; for that
    reason it also holds its own style, which its policy allows by hash. `searched` names the
    models that the search page knows; without any there is no such page. `measured` says whether
    there is a page Ground truth.
    """
    style = (templates_folder() / "not_found.css").read_text("utf-8").strip()
    hashed = b64encode(sha256(style.encode()).digest()).decode()
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
            measured=measured,
            rooted=from_root,
            style=style,
            policy_of_style=POLICY.replace("style-src 'self'", f"style-src 'sha256-{hashed}'"),
            link=write_link,
            asset=lambda name: write_link(Link(f"assets/{name}")),
            canonical=None if base_url is None else address(base_url, page.path),
            preview=None
            if base_url is None or page.picture is None
            else address(base_url, page.picture.path),
        )
    )
    return html.rstrip() + "\n"
