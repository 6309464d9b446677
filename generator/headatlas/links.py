"""Addresses within the site: links are relative, and checked before a page is rendered."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Link:
    """A file of the site, and optionally a place in it."""

    path: str
    """From the site's root, such as `demo-clip/L3.H2/index.html`."""
    fragment: str = ""


@lru_cache(maxsize=65536)
def _relative_path(folder: tuple[str, ...], path: str) -> str:
    target = PurePosixPath(path).parts
    shared = 0
    # The file's own name always stays, so a page in its own folder is `index.html`, never "".
    for mine, other in zip(folder, target[:-1], strict=False):
        if mine != other:
            break
        shared += 1
    return quote("/".join([".."] * (len(folder) - shared) + list(target[shared:])))


def relative(source: str, link: Link) -> str:
    """The link as the page `source` writes it.

    File names stay in it (`../L0.H1/index.html`), because a folder opened from disk
    has no server that would add them.

    >>> relative("demo-clip/L3.H2/index.html", Link("demo-clip/index.html", "heads"))
    '../index.html#heads'
    """
    fragment = f"#{quote(link.fragment)}" if link.fragment else ""
    if link.path == source and fragment:
        return fragment
    return _relative_path(PurePosixPath(source).parts[:-1], link.path) + fragment


def address(base_url: str | None, path: str) -> str:
    """The permanent address of a page: a folder's, without `index.html`.

    Without a base URL it starts at the site's root: `/demo-clip/L3.H2/`.
    """
    return f"{(base_url or '').rstrip('/')}/{quote(path.removesuffix('index.html'))}"


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
    for each in inner:
        yield from links_in(each, seen)
