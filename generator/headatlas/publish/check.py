"""Finds what is broken in a generated site: pages, links, stylesheets, JSON, and heavy pages."""

import json
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from clipheads.bundle.errors import AtlasError, system_reason
from headatlas.publish.html_rules import PageFacts, read_page
from headatlas.publish.link_targets import Reference, base_path, broken_references, loaded_by_css
from headatlas.urls import HOME

PAGE_LIMIT = 250_000
"""Bytes of HTML that a page may have."""
TOGETHER = 100
"""Pages that a process reads at a time; for a site of fewer none is started."""


@dataclass(frozen=True, order=True)
class Problem:
    """Something that is broken."""

    page: str
    """Path of the file from the site's root."""
    message: str


def check_site(folder: Path, page_limit: int = PAGE_LIMIT) -> list[Problem]:
    """Check every page, stylesheet and JSON file of a site; an empty list means that all is well.

    `page_limit` is in bytes of HTML. Raises AtlasError if the folder holds no site.
    """
    if not (folder / "index.html").is_file():
        raise AtlasError(f"{folder}: no site here; run `head-atlas site` first")
    # Names as stored on disk: a file system may ignore case, servers do not.
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    files = {path.as_posix() for path in found if not path.parts[0].startswith(".")}
    problems: list[Problem] = []
    pages = _texts(folder, files, ".html", problems)
    for page, text in pages.items():
        if (size := len(text.encode())) > page_limit:
            problems.append(
                Problem(page, f"weighs {size // 1000} kB, more than {page_limit // 1000}")
            )
    facts = dict(zip(pages, _read_pages(list(pages.values())), strict=True))
    references: list[Reference] = []
    for page, read in facts.items():
        problems += [Problem(page, message) for message in read.problems]
        references += [Reference(page, link, loads=False) for link in read.links]
        references += [Reference(page, load, loads=True) for load in read.loads]
    for sheet, text in _texts(folder, files, ".css", problems).items():
        references += [Reference(sheet, load, loads=True) for load in loaded_by_css(text)]
    ids = {page: read.ids for page, read in facts.items()}
    base = base_path(pages.get(HOME.path, ""))
    for reference, message in broken_references(references, files, ids, base):
        problems.append(Problem(reference.file, message))
    for path, text in _texts(folder, files, ".json", problems).items():
        try:
            json.loads(text)
        except ValueError as error:
            problems.append(Problem(path, f"is not JSON: {error}"))
        except RecursionError:
            problems.append(Problem(path, "is not JSON that can be read: nested too deeply"))
    return sorted(set(problems))


def _texts(folder: Path, files: set[str], ending: str, problems: list[Problem]) -> dict[str, str]:
    """The texts of all files of a kind; what cannot be read is added to the problems."""
    texts = {}
    for path in sorted(path for path in files if path.endswith(ending)):
        try:
            texts[path] = (folder / path).read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            problems.append(Problem(path, "is not UTF-8"))
        except OSError as error:
            problems.append(Problem(path, f"cannot be read ({system_reason(error)})"))
    return texts


def _read_pages(texts: list[str]) -> list[PageFacts]:
    """What each page has and refers to; parsing takes most of the time, so all cores share it."""
    if len(texts) <= TOGETHER:
        return [read_page(text) for text in texts]
    with ProcessPoolExecutor(
        max_workers=min(os.cpu_count() or 1, len(texts) // TOGETHER + 1),
        # A forked process could inherit a lock that is never released.
        mp_context=get_context("spawn"),
        # Ctrl-C ends this process, which ends the others: they have nothing to say of it.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    ) as processes:
        return list(processes.map(read_page, texts, chunksize=TOGETHER))
