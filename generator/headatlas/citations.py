"""How to cite a page: a sentence and a BibTeX entry, which pin what a model's page was computed on.

Keys are made from addresses, so that no two pages share one.
"""

import re
from dataclasses import dataclass
from importlib.metadata import version

from clipheads.bundle.model import ModelRecord

YEAR = 2026
"""Of this version. Not of the day: the same atlas gives the same pages."""

PAPER = (
    "@misc{madasu2024quantifying,\n"
    "  title = {Quantifying and Enabling the Interpretability of {CLIP}-like Models},\n"
    "  author = {Madasu, Avinash and Gandelsman, Yossi and Lal, Vasudev and Howard, Phillip},\n"
    "  year = {2024},\n"
    "  eprint = {2409.06579},\n"
    "  archiveprefix = {arXiv},\n"
    "  url = {https://arxiv.org/abs/2409.06579}\n"
    "}"
)
"""The entry of the paper whose labels a page shows."""


@dataclass(frozen=True)
class Citation:
    """One page, as a reference list wants it."""

    plain: str
    bibtex: str
    address: str
    """The permanent address, or the path from the site's root if the site has no base URL."""
    source: str | None = None
    """The BibTeX entry of the publication that the page takes its facts from."""


@dataclass(frozen=True)
class Reference:
    """What a citation says of a page, but for its address."""

    title: str
    note: str = f"clip-head-atlas {version('clip-head-atlas')}"
    """What the page was computed by and on."""
    source: str | None = None
    """The BibTeX entry of the publication that the page takes its facts from."""

    def at(self, address: str) -> Citation:
        """The citation of the page at this address, which is absolute or a path of the site."""
        title = self.title[0].upper() + self.title[1:]
        absolute = "://" in address
        where = address if absolute else f"Path {address} of this site"
        path = re.sub(r"^\w+://[^/]*", "", address).strip("/")
        # Of what a file name may hold, BibTeX's keys may not hold the percent sign.
        key = ":".join(["clip-head-atlas", *path.split("/")]).rstrip(":").replace("%", "_")
        lines = [
            f"  title = {{{_escape(title)}}}",
            "  author = {{CLIP Head Atlas}}",
            f"  year = {{{YEAR}}}",
            f"  url = {{{address}}}" if absolute else f"  howpublished = {{{_escape(where)}}}",
            f"  note = {{{_escape(self.note)}}}",
        ]
        return Citation(
            plain=f"CLIP Head Atlas: {title} ({YEAR}). {self.note}. {where}",
            bibtex=f"@misc{{{key},\n" + ",\n".join(lines) + "\n}",
            address=address,
            source=self.source,
        )


def of_model(record: ModelRecord, what: str) -> Reference:
    """A page of a model's atlas.

    `what` names the page within the model, such as `head L11.H7 (animals)`. The hashes say which
    computation the page shows.
    """
    return Reference(
        f"{what} of {record.name}",
        f"clip-head-atlas {record.version}; weights sha256:{record.weights.sha256[:12]},"
        f" gallery sha256:{record.gallery_sha256[:12]}",
    )


def of_published(model: str, what: str) -> Reference:
    """A page that shows what the paper's authors published for a model."""
    return Reference(
        f"{what} of {model}",
        "Published by A. Madasu, Y. Gandelsman, V. Lal and P. Howard, Quantifying and Enabling the"
        " Interpretability of CLIP-like Models (2024), arXiv:2409.06579",
        PAPER,
    )


def _escape(text: str) -> str:
    """Escape what LaTeX would read as markup."""
    escaped = re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", ""))
    return escaped.replace("~", r"\textasciitilde{}").replace("^", r"\textasciicircum{}")
