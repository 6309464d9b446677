"""How to cite a page: an entry for it, and one for the publication that its facts come from.

An entry pins what a model's page was computed on. Its key is made from the path of the page, so
that no two pages share one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version

from clipheads.bundle.model import ModelRecord
from headatlas import citation_formats
from headatlas.citation_formats import Entry
from headatlas.urls import Link, Urls

YEAR = 2026
"""Of this version of the program, as CITATION.cff says: the year of every page. Not of the day that
a site is made, because the same atlas gives the same pages."""

HERE = "{address}"
"""Stands for the address of a page that learns it only when it is opened."""

METHOD = Entry(
    key="gandelsman2024interpreting",
    title="Interpreting CLIP's Image Representation via Text-Based Decomposition",
    authors=("Gandelsman, Yossi", "Efros, Alexei A.", "Steinhardt, Jacob"),
    year=2024,
    venue="International Conference on Learning Representations",
    arxiv="2310.05916",
    url="https://arxiv.org/abs/2310.05916",
)
"""The paper whose method the computed pages apply."""

PAPER = Entry(
    key="madasu2024quantifying",
    title="Quantifying and Enabling the Interpretability of CLIP-like Models",
    authors=("Madasu, Avinash", "Gandelsman, Yossi", "Lal, Vasudev", "Howard, Phillip"),
    year=2024,
    arxiv="2409.06579",
    url="https://arxiv.org/abs/2409.06579",
)
"""The paper whose labels the published pages show."""


@dataclass(frozen=True)
class Form:
    """A citation in one format, as the page shows it."""

    name: str
    text: str
    later: str | None
    """The same with HERE for the address; None if the text has it."""
    file: str | None = None
    """Name of the file as which a reader can save it."""


@dataclass(frozen=True)
class Citation:
    """One page, as a reference list wants it."""

    entry: Entry
    address: str
    """The permanent address, or the path from the site's root if the site has no base URL."""
    stem: str
    """Name of a file of this citation, without its suffix."""
    source: Entry | None = None
    """The publication that the page takes its method or its facts from."""

    @property
    def address_known(self) -> bool:
        """Whether the address is absolute."""
        return self.entry.url is not None

    @cached_property
    def forms(self) -> tuple[Form, ...]:
        """The page in all formats, the two that most readers want first."""
        formats = (
            ("Citation", citation_formats.plain, None),
            ("BibTeX", citation_formats.bibtex, "bib"),
            ("RIS", citation_formats.ris, "ris"),
            ("Markdown", citation_formats.markdown, None),
            ("LaTeX", citation_formats.bibitem, None),
        )
        return tuple(self._form(*row) for row in formats)

    def _form(self, name: str, write: Callable[[Entry], str], suffix: str | None) -> Form:
        later = None if self.address_known else write(replace(self.entry, url=HERE))
        return Form(name, write(self.entry), later, suffix and f"{self.stem}.{suffix}")

    @property
    def source_bibtex(self) -> str | None:
        """The BibTeX entry of the source."""
        return citation_formats.bibtex(self.source) if self.source else None


@dataclass(frozen=True)
class Reference:
    """What a citation says of a page, but for its address."""

    title: str
    note: str = f"clip-head-atlas {version('clip-head-atlas')}"
    """What the page was computed by and on."""
    source: Entry | None = None
    """The publication that the page takes its method or its facts from."""

    def at(self, link: Link, urls: Urls) -> Citation:
        """The citation of the page `link` of a site that will lie at `urls`."""
        address = urls.permanent(link)
        parts = Urls().permanent(link).strip("/").split("/")
        known = urls.base_url is not None
        entry = Entry(
            # Of what a file name may hold, BibTeX's keys may not hold the percent sign.
            key=":".join(["clip-head-atlas", *parts]).rstrip(":").replace("%", "_"),
            title=self.title[0].upper() + self.title[1:],
            year=YEAR,
            url=address if known else None,
            position="" if known else f"Path {address} of this site",
            note=self.note,
            doi=urls.doi,
        )
        stem = "-".join(part for part in ("clip-head-atlas", *parts) if part)
        return Citation(entry, address, stem, self.source)


def of_model(record: ModelRecord, what: str) -> Reference:
    """A page of a model's atlas.

    `what` names the page within the model, such as `head L11.H7 (animals)`. The hashes say which
    computation the page shows.
    """
    return Reference(
        f"{what} of {record.name}",
        f"clip-head-atlas {record.version}; weights sha256:{record.weights.sha256[:12]},"
        f" gallery sha256:{record.gallery_sha256[:12]}",
        METHOD,
    )


def of_head(record: ModelRecord, identity: str, label: str | None) -> Reference:
    """The page of a head of a model's atlas."""
    return of_model(record, f"head {identity}" + (f" ({label})" if label else ""))


def of_published(model: str, what: str) -> Reference:
    """A page that shows what the paper's authors published for a model."""
    return Reference(
        f"{what} of {model}",
        "Published by A. Madasu, Y. Gandelsman, V. Lal and P. Howard, Quantifying and Enabling the"
        " Interpretability of CLIP-like Models (2024), arXiv:2409.06579",
        PAPER,
    )
