r"""One entry of a reference list in the formats that people and their programs read.

BibTeX for natbib and biblatex alike, a `\bibitem` for LaTeX without either, Markdown, RIS for
reference managers, and a sentence.
"""

import re
from dataclasses import dataclass

ATLAS = "CLIP Head Atlas"


@dataclass(frozen=True)
class Entry:
    """What a reference list says of one page or publication."""

    key: str
    title: str
    year: int
    authors: tuple[str, ...] = (ATLAS,)
    """Each as `Family, Given`; without a comma it is the name of a group."""
    url: str | None = None
    position: str = ""
    """Where it is, in words, if it has no `url`."""
    note: str = ""
    doi: str | None = None
    arxiv: str | None = None
    venue: str | None = None
    """The proceedings that it appeared in."""


def plain(entry: Entry) -> str:
    """A sentence, as a list of references has it."""
    doi = f" https://doi.org/{entry.doi}." if entry.doi else ""
    return " ".join(
        [
            f"{_people(entry)}: {entry.title} ({entry.year}).",
            *_sentences(entry.venue, entry.note),
            f"{entry.url or entry.position}{'.' if doi else ''}{doi}",
        ]
    )


def markdown(entry: Entry) -> str:
    """The same, with the title as a link."""
    title = escape_markdown(entry.title)
    linked = f"[{title}](<{entry.url}>)" if entry.url else title
    parts = [f"{_people(entry)}: {linked} ({entry.year})."]
    parts += map(escape_markdown, _sentences(entry.venue, entry.note))
    parts += [] if entry.url else [escape_markdown(entry.position)]
    parts += (
        [f"[doi:{escape_markdown(entry.doi)}](<https://doi.org/{entry.doi}>)"] if entry.doi else []
    )
    return " ".join(parts)


def bibtex(entry: Entry) -> str:
    """An entry for BibTeX and for biblatex, with natbib or without."""
    fields = {
        "title": _keeping_capitals(entry.title),
        "author": " and ".join(
            latex(name) if "," in name else f"{{{latex(name)}}}" for name in entry.authors
        ),
        "year": str(entry.year),
        "booktitle": latex(entry.venue or ""),
        "eprint": entry.arxiv or "",
        "archiveprefix": "arXiv" if entry.arxiv else "",
        "url": entry.url or "",
        "howpublished": "" if entry.url else latex(entry.position),
        "doi": entry.doi or "",
        "note": latex(entry.note),
    }
    kind = "inproceedings" if entry.venue else "misc"
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{entry.key},\n" + ",\n".join(lines) + "\n}"


def bibitem(entry: Entry) -> str:
    r"""An item of LaTeX's `thebibliography`, which needs `\url` of the package url or hyperref."""
    parts = [f"{latex(_people(entry))}. \\emph{{{latex(entry.title)}}} ({entry.year})."]
    parts += [latex(sentence) for sentence in _sentences(entry.venue, entry.note)]
    parts.append(f"\\url{{{entry.url}}}" if entry.url else latex(entry.position))
    if entry.doi:
        parts.append(f"\\url{{https://doi.org/{entry.doi}}}")
    return f"\\bibitem{{{entry.key}}}\n" + "\n".join(parts)


def ris(entry: Entry) -> str:
    """A record in RIS, which Zotero, EndNote and Mendeley import."""
    kind = "CPAPER" if entry.venue else "GEN" if entry.arxiv else "ELEC"
    lines = [("TY", kind), ("ID", entry.key), ("TI", entry.title)]
    lines += [("AU", name) for name in entry.authors]
    lines += [("PY", str(entry.year)), ("T2", entry.venue or ATLAS)]
    lines += [("UR", entry.url)] if entry.url else [("N1", entry.position)]
    lines += [("DO", entry.doi)] if entry.doi else []
    lines += [("N1", entry.note)] if entry.note else []
    text = "".join(f"{tag}  - {_one_line(value)}\n" for tag, value in lines)
    return text + "ER  - \n"


def latex(text: str) -> str:
    """Text as LaTeX prints it, whatever it holds; braces balance, as BibTeX needs."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def escape_markdown(text: str) -> str:
    """Text as Markdown shows it, whatever it holds, in one line."""
    return re.sub(r"([\\`*_\[\]<>#~|])", r"\\\1", _one_line(text))


def _keeping_capitals(title: str) -> str:
    """A title whose names keep their capitals in styles that write titles in lower case."""
    first, *others = latex(title).split(" ")
    # A group that begins with a command would be a special character, whose case styles change.
    kept = (f"{{{word}}}" if word[0] != "\\" else f"{{{{{word}}}}}" for word in (first, *others))
    wanted = (re.search("[A-Z]", first[1:]), *(re.search("[A-Z]", word) for word in others))
    words = zip((first, *others), kept, wanted, strict=True)
    return " ".join(braced if capital else word for word, braced, capital in words)


def _people(entry: Entry) -> str:
    names = [" ".join(reversed(name.split(", "))) for name in entry.authors]
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _sentences(*texts: str | None) -> list[str]:
    return [f"{text.rstrip('.')}." for text in texts if text]


def _one_line(text: str) -> str:
    return " ".join(text.split())


_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_"},
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
