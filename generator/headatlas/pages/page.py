"""A page as a value: its address, its content, and the files beside it.

A kind of page is a module of this folder and a template of the same stem. The module makes the
pages of its kind (`pages(site)`), and `kinds.py` lists it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from clipheads.bundle.record import Record
from headatlas.citations import Citation, Reference
from headatlas.urls import HOME, Link, Urls

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Content Security Policy: nothing but the site itself, and heat maps written into the page."""


@dataclass(frozen=True, eq=False)
class Crumb:
    """One step of the way from the home page."""

    text: str
    link: Link


ATLAS = Crumb("Atlas", HOME)
"""The first step."""


@dataclass(frozen=True, eq=False)
class DataTwin:
    """What a page shows, as a JSON file beside it."""

    link: Link
    make: Callable[[str], Record]
    """Makes the record, given the permanent address of the page."""

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(self.link.path).name


@dataclass(frozen=True, eq=False)
class DataFile:
    """A file to download."""

    link: Link
    media_type: str
    about: str
    """What it holds, as a sentence."""
    make: Callable[[Urls], bytes]
    """Makes its content for a site that will lie at these addresses; the same bytes each time."""

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(self.link.path).name

    def size(self, urls: Urls) -> int:
        """Bytes."""
        return len(self.make(urls))

    def sha256(self, urls: Urls) -> str:
        """Its hash."""
        return hashlib.sha256(self.make(urls)).hexdigest()


@dataclass(frozen=True, eq=False)
class Page:
    """One page of the site, complete before a byte is rendered."""

    link: Link
    """Its address."""
    template: str
    title: str
    description: str
    content: Any
    """The dataclass that the template expects."""
    trail: tuple[Crumb, ...] = ()
    sections: Mapping[str, str] = field(default_factory=dict)
    """Id and heading of each section that has an id, in their order. Ids are addresses too."""
    picture: Link | None = None
    """What a preview of the page shows."""
    data: DataTwin | None = None
    files: Mapping[Link, bytes | Path] = field(default_factory=dict)
    """Files that the page brings along: their content, or the file that holds it."""
    twin: DataFile | None = None
    """What the page says, as Markdown."""
    downloads: tuple[DataFile, ...] = ()
    """Files with the data that the page is about, which are made at the same time."""
    policy: str = POLICY
    citable: bool = True
    embeddable: bool = False
    """Whether it has a view of chosen sections for frames of other sites."""
    dataset: bool = False
    """Whether it is the page of the data of a model or the atlas, and cited as such."""
    reference: Reference | None = None
    """How to cite it, unless by its title alone."""

    @property
    def path(self) -> str:
        """The page's file, from the site's root."""
        return self.link.path

    @property
    def anchors(self) -> frozenset[str]:
        """Fragments that other pages may link to."""
        return frozenset(self.sections) | ({"cite"} if self.citable else set())

    def citation(self, urls: Urls) -> Citation | None:
        """How to cite the page at its permanent address; None if it is not to be cited."""
        if not self.citable:
            return None
        return (self.reference or Reference(self.title)).at(self.link, urls)
