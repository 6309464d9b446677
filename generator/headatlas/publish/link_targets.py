"""Whether what pages refer to exists: files of the site, anchors on its pages, no other host."""

import html
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

NOT_FOUND = "404.html"
CANONICAL = re.compile(r'<link rel="canonical" href="(https?://[^"]*)">')
CSS_URL = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")


class Reference(NamedTuple):
    """What a file refers to."""

    file: str
    """The file that refers, by its path from the site's root."""
    address: str
    loads: bool
    """Whether the browser fetches it by itself."""


def base_path(home: str) -> str:
    """The path of the address that the site was generated for, as its home page says."""
    found = CANONICAL.search(home)
    parts = _split(html.unescape(found[1])) if found else None
    return (unquote(parts.path) if parts else "") or "/"


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:
        return None


def loaded_by_css(sheet: str) -> list[str]:
    """The addresses of all that a stylesheet loads."""
    return [address or imported for address, imported in CSS_URL.findall(sheet)]


def broken_references(
    references: Iterable[Reference], files: set[str], ids: dict[str, set[str]], base: str
) -> Iterator[tuple[Reference, str]]:
    """The references that lead nowhere or load from elsewhere, each with what is wrong.

    `files` are the paths of all files, `ids` those of each page; `base` is the path of the site.
    """
    checked: dict[tuple[str, str], str | None] = {}
    for reference in references:
        file, address, loads = reference
        if address.startswith("data:"):
            continue
        parts = _split(address)
        if parts is None:
            yield reference, f"links to {address}, which is no address"
            continue
        if file == NOT_FOUND and parts.path.startswith("../"):
            continue  # It is shown at any depth, and these lead up from there.
        if parts.scheme or parts.netloc:
            if loads:
                yield reference, f"loads {address} from another host"
            continue
        key = (posixpath.dirname(file) if parts.path else file, address)
        if key not in checked:
            checked[key] = _broken(file, parts.path, parts.fragment, files, ids, base)
        if message := checked[key]:
            yield reference, f"links to {address}, {message}"


def _broken(
    file: str, path: str, fragment: str, files: set[str], ids: dict[str, set[str]], base: str
) -> str | None:
    """Why a reference leads nowhere; None if it leads somewhere."""
    target = file
    if path:
        decoded = unquote(path)
        if decoded.startswith("/"):
            if not decoded.startswith(base):
                return f"which is outside {base}"
            target = decoded[len(base) :]
        else:
            target = posixpath.join(posixpath.dirname(file), decoded)
        folder = target == "" or target.endswith("/")
        target = posixpath.normpath(target) if target else ""
        if target.startswith(".."):
            return "which leaves the site"
        if folder or target == ".":
            target = posixpath.normpath(posixpath.join(target, "index.html"))
    if target not in files:
        return "which does not exist"
    if "=" in fragment:
        return None  # what a page is to show, such as a question, and no anchor
    if fragment and target in ids and unquote(fragment) not in ids[target]:
        return f"but {target} has no anchor #{unquote(fragment)}"
    return None
