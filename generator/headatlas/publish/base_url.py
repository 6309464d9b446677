"""The public address of a site, as canonical links and the sitemap need it."""

import re
from urllib.parse import unquote, urlsplit

from clipheads.bundle.errors import AtlasError

_ADDRESS = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:/(?:[A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
)


def parse_base_url(text: str) -> str:
    """Return the address with one slash at its end.

    Raises AtlasError if other addresses cannot be made from it by adding to its end.

    >>> parse_base_url("https://example.org/atlas")
    'https://example.org/atlas/'
    """
    path = text.partition("://")[2].partition("/")[2].rstrip("/")
    segments = unquote(path).split("/") if path else []
    if not _ADDRESS.fullmatch(text) or {"", ".", ".."} & set(segments) or not _port_exists(text):
        raise AtlasError(
            f"{text!r}: not a base URL; give one such as https://example.org/atlas/, in ASCII, "
            "without a user, a query or a fragment"
        )
    return text.rstrip("/") + "/"


def is_web_address(text: str) -> bool:
    """Whether a text can be linked to as a page on the web."""
    try:
        parts = urlsplit(text)
        clean = text.isprintable() and " " not in text
        return clean and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _port_exists(text: str) -> bool:
    try:
        return urlsplit(text).port != 0
    except ValueError:
        return False
