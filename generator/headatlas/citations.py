"""How to cite a page: a sentence and a BibTeX entry that pin the weights and the gallery."""

import re
from dataclasses import dataclass

from clipheads.bundle import ModelRecord


@dataclass(frozen=True)
class Citation:
    """One page, as a reference list wants it."""

    plain: str
    bibtex: str
    address: str
    """The permanent address, or the path from the site's root if the site has no base URL."""


def cite(record: ModelRecord, what: str, address: str) -> Citation:
    """Cite a page of a model's atlas.

    `what` names the page within the model, such as `head L11.H7 (animals)`. There is no
    date in it: the hashes say which computation the page shows.
    """
    pinned = (
        f"weights sha256:{record.weights.sha256[:12]}, gallery sha256:{record.gallery_sha256[:12]}"
    )
    title = f"{what} of {record.name}"
    where = address if "://" in address else f"path {address} of this site"
    plain = (
        f"CLIP Head Atlas: {title}. Built with clip-head-atlas {record.version}; {pinned}. {where}"
    )
    key = re.sub(r"[^A-Za-z0-9]+", "-", f"clip-head-atlas {record.name} {what}").strip("-").lower()
    field = "url" if "://" in address else "howpublished"
    bibtex = (
        f"@misc{{{key},\n"
        f"  title = {{{_escape(title[0].upper() + title[1:])}}},\n"
        f"  author = {{{{CLIP Head Atlas}}}},\n"
        f"  {field} = {{{address if field == 'url' else _escape(where)}}},\n"
        f"  note = {{clip-head-atlas {record.version}; {_escape(pinned)}}}\n"
        "}"
    )
    return Citation(plain=plain, bibtex=bibtex, address=address)


def cite_published(model: str, what: str, address: str) -> Citation:
    """Cite a page that shows what the paper's authors published for a model."""
    where = address if "://" in address else f"path {address} of this site"
    return Citation(
        plain=(
            f"{what[0].upper() + what[1:]} of {model}: label published with A. Madasu,"
            " Y. Gandelsman, V. Lal and P. Howard, Quantifying and Enabling the Interpretability of"
            f" CLIP-like Models (2024), arXiv:2409.06579. CLIP Head Atlas, {where}"
        ),
        bibtex=(
            "@misc{madasu2024quantifying,\n"
            "  title = {Quantifying and Enabling the Interpretability of {CLIP}-like Models},\n"
            "  author = {Madasu, Avinash and Gandelsman, Yossi and Lal, Vasudev and Howard,"
            " Phillip},\n"
            "  year = {2024},\n"
            "  eprint = {2409.06579},\n"
            "  archiveprefix = {arXiv},\n"
            f"  note = {{{_escape(what)} of {_escape(model)}; CLIP Head Atlas, {_escape(where)}}}\n"
            "}"
        ),
        address=address,
    )


def _escape(text: str) -> str:
    """Escape what LaTeX would read as markup."""
    return re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", ""))
