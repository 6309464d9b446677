"""Finds what is broken in a generated site: links, places, files, HTML, and heavy pages.

The HTML rules are those of the standard, read strictly: every element is closed in
order, even where HTML would close it silently, so that a slip in a template is found.
"""

import html
import json
import posixpath
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from clipheads.bundle.errors import AtlasError
from headatlas.pages.everything import HOME, SEARCH

NOT_FOUND = "404.html"
PAGE_LIMIT = 250_000
"""Bytes of HTML that a page may have."""

VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
FOREIGN = frozenset({"svg", "math"})
ELEMENTS = VOID | frozenset(
    (
        "a abbr address article aside audio b bdi bdo blockquote body button canvas caption cite "
        "code colgroup data datalist dd del details dfn dialog div dl dt em fieldset figcaption "
        "figure footer form h1 h2 h3 h4 h5 h6 head header hgroup html i iframe ins kbd label "
        "legend li main map mark math menu meter nav noscript object ol optgroup option output p "
        "picture pre progress q rp rt ruby s samp script search section select slot small span "
        "strong style sub summary sup svg table tbody td template textarea tfoot th thead time "
        "title tr u ul var video"
    ).split()
)
CLOSES_PARAGRAPH = frozenset(
    (
        "address article aside blockquote details dialog div dl fieldset figcaption figure footer "
        "form h1 h2 h3 h4 h5 h6 header hgroup hr main menu nav ol p pre search section table ul"
    ).split()
)
"""A paragraph ends where one of these begins, so that its own end tag comes too late."""
CHILDREN = {
    "table": frozenset({"caption", "colgroup", "thead", "tbody", "tfoot"}),
    "thead": frozenset({"tr"}),
    "tbody": frozenset({"tr"}),
    "tfoot": frozenset({"tr"}),
    "tr": frozenset({"td", "th"}),
    "ul": frozenset({"li"}),
    "ol": frozenset({"li"}),
    "dl": frozenset({"div", "dt", "dd"}),
    "html": frozenset({"head", "body"}),
}
"""The only elements that these may have as children."""
PARENTS = {
    "li": frozenset({"ul", "ol", "menu"}),
    "tr": frozenset({"thead", "tbody", "tfoot"}),
    "td": frozenset({"tr"}),
    "th": frozenset({"tr"}),
    "dt": frozenset({"dl", "div"}),
    "dd": frozenset({"dl", "div"}),
    "caption": frozenset({"table"}),
    "figcaption": frozenset({"figure"}),
    "legend": frozenset({"fieldset"}),
}
"""The only elements that these may have as parents."""
INTERACTIVE = frozenset({"a", "button"})
"""Elements that must not stand inside their like."""
LOADED = frozenset(
    {("img", "src"), ("script", "src"), ("source", "src"), ("image", "href"), ("use", "href")}
)
"""Attributes that make the browser load something, besides `srcset` and `<link>`."""
LOADING_RELATIONS = frozenset({"icon", "stylesheet", "modulepreload", "preload", "manifest"})
CANONICAL = re.compile(r'<link rel="canonical" href="(https?://[^"]*)">')
CSS_URL = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")


@dataclass(frozen=True, order=True)
class Problem:
    """Something that is broken."""

    page: str
    """Path of the file from the site's root."""
    message: str


TOKEN = re.compile(
    r"""<!--.*?-->
    |<!(?P<declaration>[^>]*)>
    |</(?P<end>[A-Za-z][^\s>/]*)\s*>
    |<(?P<start>[A-Za-z][^\s>/]*)(?P<attributes>(?:"[^"]*"|'[^']*'|[^<>"'])*)>""",
    re.DOTALL | re.VERBOSE,
)
ATTRIBUTE = re.compile(r"""\s+([^\s=/"'<>]+)(?:="([^"]*)"|='([^']*)'|=([^\s"'=<>`]+))?""")
OPEN_REFERENCE = re.compile(r"&(?!(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);)")


@dataclass
class PageFacts:
    """What one page has, refers to, and gets wrong."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    """What the browser fetches by itself."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Tag:
    """A start tag; the same text is the same tag, on whichever page it stands."""

    name: str
    identity: str | None
    closes_itself: bool
    links: tuple[str, ...]
    loads: tuple[str, ...]
    problems: tuple[str, ...]


@lru_cache(maxsize=100_000)
def _read_tag(name: str, attributes: str) -> _Tag:
    pairs = [
        (key.lower(), html.unescape(double or single or bare))
        for key, double, single, bare in ATTRIBUTE.findall(attributes)
    ]
    values = dict(pairs)
    problems = []
    if ATTRIBUTE.sub("", attributes).strip() not in ("", "/"):
        problems.append(f"<{name}> has attributes that cannot be read")
    if len(values) < len(pairs):
        problems.append(f"<{name}> has an attribute twice")
    if OPEN_REFERENCE.search(attributes):
        problems.append(f"<{name}> has a bare & in an attribute; write &amp;")
    if name == "img" and "alt" not in values:
        problems.append(f"the image {values.get('src', '')[:60]!r} has no alt text")
    if name == "html" and not values.get("lang"):
        problems.append("<html> does not say its language")
    if "style" in values or (name == "script" and "src" not in values):
        problems.append(f"<{name}> is inline, which the content security policy forbids")
    links: list[str] = []
    loads: list[str] = []
    for key, value in pairs:
        if key == "srcset":
            loads += [part.split()[0] for part in value.split(",") if part.split()]
        elif (name, key) in LOADED:
            loads.append(value)
        elif key == "href":
            fetched = name == "link" and LOADING_RELATIONS & set(values.get("rel", "").split())
            (loads if fetched else links).append(value)
    return _Tag(
        name=name,
        identity=values.get("id"),
        closes_itself=attributes.endswith("/"),
        links=tuple(links),
        loads=tuple(loads),
        problems=tuple(problems),
    )


def read_page(text: str) -> PageFacts:
    """Read the HTML of one page; problems name the line."""
    facts = PageFacts()
    stack: list[str] = []
    foreign = 0  # how many <svg> and <math> are open: inside, other names and rules hold
    doctype = title = False
    at = 0

    def say(message: str) -> None:
        facts.problems.append(f"line {text.count(chr(10), 0, at) + 1}: {message}")

    def read_text(data: str) -> None:
        nonlocal title
        if not data or data.isspace():
            return
        inside = stack[-1] if stack else ""
        if "<" in data or ("&" in data and OPEN_REFERENCE.search(data)):
            say("a bare < or & in the text; write &lt; or &amp;")
        if inside in CHILDREN or not inside:
            say(f"text directly inside <{inside or 'the document'}>")
        title = title or inside == "title"

    for token in TOKEN.finditer(text):
        read_text(text[at : token.start()])
        at = token.end()
        if start := token["start"]:
            tag = _read_tag(start.lower(), token["attributes"])
            name = tag.name
            for message in tag.problems:
                say(message)
            if name == "style" and not _allowed(text, text[at:].partition("</style")[0]):
                say("<style> is inline, and its hash is not in the content security policy")
            if tag.identity is not None:
                if tag.identity in facts.ids:
                    say(f"the id {tag.identity!r} is given twice")
                facts.ids.add(tag.identity)
            facts.links += tag.links
            facts.loads += tag.loads
            if not foreign:
                for message in _misplaced(name, stack):
                    say(message)
                if name in VOID:
                    continue
                if tag.closes_itself:
                    say(f"<{name}/> does not close <{name}>")
            if not (foreign and tag.closes_itself):
                stack.append(name)
                foreign += name in FOREIGN
        elif end := token["end"]:
            name = end.lower()
            if name not in stack:
                say(f"</{name}> without <{name}>")
                continue
            while (last := stack.pop()) != name:
                say(f"<{last}> is not closed before </{name}>")
                foreign -= last in FOREIGN
            foreign -= name in FOREIGN
        elif token["declaration"]:
            doctype = doctype or (token["declaration"].lower() == "doctype html" and not stack)
    read_text(text[at:])
    for name in reversed(stack):
        say(f"<{name}> is never closed")
    at = 0
    if not doctype:
        say("does not begin with <!doctype html>")
    if not title:
        say("has no <title>")
    return facts


def _allowed(page: str, style: str) -> bool:
    """Whether the page names the hash of the style, as a policy does that allows it."""
    return f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}" in page


def _misplaced(name: str, stack: list[str]) -> Iterator[str]:
    """Why an element cannot stand where it does."""
    parent = stack[-1] if stack else ""
    if name not in ELEMENTS:
        yield f"<{name}> is not an element of HTML"
    if parent in CHILDREN and name not in CHILDREN[parent]:
        yield f"<{name}> directly inside <{parent}>"
    if name in PARENTS and parent not in PARENTS[name]:
        yield f"<{name}> inside <{parent}>, not inside <{min(PARENTS[name])}>"
    if name in CLOSES_PARAGRAPH and "p" in stack:
        yield f"<{name}> inside <p>"
    if name in INTERACTIVE and name in stack:
        yield f"<{name}> inside <{name}>"


def check_site(folder: Path, page_limit: int = PAGE_LIMIT) -> list[Problem]:
    """Check every page, stylesheet and JSON file of a site; an empty list means that all is well.

    `page_limit` is in bytes of HTML. Raises AtlasError if the folder holds no site.
    """
    if not (folder / "index.html").is_file():
        raise AtlasError(f"{folder}: no site here; run `head-atlas site` first")
    # Names as they are written on disk: a file system may not tell Cat from cat, servers do.
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    files = {path.as_posix() for path in found if not path.parts[0].startswith(".")}
    problems: list[Problem] = []

    def read(path: str) -> str | None:
        try:
            return (folder / path).read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            problems.append(Problem(path, "is not UTF-8"))
        except OSError as error:
            problems.append(Problem(path, f"cannot be read ({error.strerror})"))
        return None

    base = "/"
    ids: dict[str, set[str]] = {}
    references: list[tuple[str, str, bool]] = []
    for page in sorted(path for path in files if path.endswith(".html")):
        text = read(page)
        if text is None:
            continue
        if (size := len(text.encode())) > page_limit:
            problems.append(
                Problem(page, f"weighs {size // 1000} kB, more than {page_limit // 1000}")
            )
        if page == HOME.path:
            base = _base_path(text)
        facts = read_page(text)
        ids[page] = facts.ids
        problems += [Problem(page, message) for message in facts.problems]
        references += [(page, link, False) for link in facts.links]
        references += [(page, load, True) for load in facts.loads]
    for sheet in sorted(path for path in files if path.endswith(".css")):
        text = read(sheet)
        found_in = CSS_URL.findall(text or "")
        references += [(sheet, first or second, True) for first, second in found_in]
    problems += _check_references(references, files, ids, base)
    for path in sorted(path for path in files if path.endswith(".json")):
        text = read(path)
        try:
            json.loads("null" if text is None else text)
        except ValueError as error:
            problems.append(Problem(path, f"is not JSON: {error}"))
        except RecursionError:
            problems.append(Problem(path, "is not JSON that can be read: nested too deeply"))
    return sorted(set(problems))


def _base_path(home: str) -> str:
    """The path of the address that the site was generated for, as its home page says."""
    found = CANONICAL.search(home)
    parts = _split(html.unescape(found[1])) if found else None
    return (unquote(parts.path) if parts else "") or "/"


def _split(reference: str) -> SplitResult | None:
    try:
        return urlsplit(reference)
    except ValueError:
        return None


def _check_references(
    references: list[tuple[str, str, bool]],
    files: set[str],
    ids: dict[str, set[str]],
    base: str,
) -> Iterator[Problem]:
    known: dict[tuple[str, str], str | None] = {}
    for page, reference, loads in references:
        if reference.startswith("data:"):
            continue
        parts = _split(reference)
        if parts is None:
            yield Problem(page, f"links to {reference}, which is no address")
            continue
        if page == NOT_FOUND and parts.path.startswith("../"):
            continue  # It is shown at any depth, and these lead up from there.
        if parts.scheme or parts.netloc:
            if loads:
                yield Problem(page, f"loads {reference} from another host")
            continue
        key = (posixpath.dirname(page) if parts.path else page, reference)
        if key not in known:
            known[key] = _broken(page, parts.path, parts.fragment, files, ids, base)
        if message := known[key]:
            yield Problem(page, f"links to {reference}, {message}")


def _broken(
    page: str, path: str, fragment: str, files: set[str], ids: dict[str, set[str]], base: str
) -> str | None:
    """Why a reference leads nowhere; None if it leads somewhere."""
    target = page
    if path:
        decoded = unquote(path)
        if decoded.startswith("/"):
            if not decoded.startswith(base):
                return f"which is outside {base}"
            target = decoded[len(base) :]
        else:
            target = posixpath.join(posixpath.dirname(page), decoded)
        folder = target == "" or target.endswith("/")
        target = posixpath.normpath(target) if target else ""
        if target.startswith(".."):
            return "which leaves the site"
        if folder or target == ".":
            target = posixpath.normpath(posixpath.join(target, "index.html"))
    if target not in files:
        return "which is not there"
    if target == SEARCH.path and "=" in fragment:
        return None  # a question
    if fragment and target in ids and unquote(fragment) not in ids[target]:
        return f"but {target} has no place #{unquote(fragment)}"
    return None
