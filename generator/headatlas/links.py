"""Finds the links of pages, and refuses those that lead nowhere before a page is rendered."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass

from clipheads.bundle.errors import AtlasError
from headatlas.pages.page import Page
from headatlas.urls import Link


def check_links(pages: Sequence[Page], files: Iterable[Link]) -> None:
    """Raise AtlasError if a page links to a page, an anchor or a file that will not exist.

    `files` are those of the site beside the pages' own.
    """
    anchors = {page.path: page.anchors for page in pages}
    others = {link.path for link in files}
    for page in pages:
        others |= {link.path for link in page.files}
        if page.data:
            others.add(page.data.link.path)
    seen: set[int] = set()
    for page in pages:
        for link in links_in((page.picture, page.trail, page.content), seen):
            found = link.path in anchors or link.path in others
            if not found or (link.fragment and link.fragment not in anchors.get(link.path, ())):
                target = f"{link.path}#{link.fragment}" if link.fragment else link.path
                raise AtlasError(f"{page.path}: links to {target}, which the site will not have")


def links_in(value: object, seen: set[int]) -> Iterator[Link]:
    """Every link inside nested dataclasses, sequences and mappings.

    `seen` holds the ids of what was already visited, so that values which many pages
    share are walked once; the caller keeps those values alive meanwhile.
    """
    if isinstance(value, Link):
        yield value
        return
    if isinstance(value, str | int | float | None):
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    inner: Iterable[object]
    if is_dataclass(value):
        inner = (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, Sequence):
        inner = value
    else:
        return
    for item in inner:
        yield from links_in(item, seen)
