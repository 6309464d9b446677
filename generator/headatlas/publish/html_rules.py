"""What one HTML page has, refers to and gets wrong.

html5lib parses the page, and what it calls an error is a problem. It lets pass what is a slip in a
template all the same: an element without an end tag of its own, a bare `&`, text between the rows
of a table. And some rules are no parser's: which elements there are and which belong together, ids,
alternative texts, and what the content security policy forbids. Those are checked here.
"""

import re
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import html5lib
from html5lib.constants import E, namespaces, tableInsertModeElements, voidElements

ELEMENTS = voidElements | frozenset(
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
CHILDREN = {
    "ul": frozenset({"li"}),
    "ol": frozenset({"li"}),
    "dl": frozenset({"div", "dt", "dd"}),
}
"""The only elements that these may have as children."""
PARENTS = {
    "li": frozenset({"ul", "ol", "menu"}),
    "dt": frozenset({"dl", "div"}),
    "dd": frozenset({"dl", "div"}),
    "figcaption": frozenset({"figure"}),
    "legend": frozenset({"fieldset"}),
}
"""The only elements that these may have as parents."""
WITHOUT_TEXT = tableInsertModeElements | frozenset(CHILDREN)
"""Elements that have no text of their own."""
LOADED = frozenset(
    {("img", "src"), ("script", "src"), ("source", "src"), ("image", "href"), ("use", "href")}
)
"""Attributes that make the browser load something, besides `srcset` and `<link>`."""
LOADING_RELATIONS = frozenset({"icon", "stylesheet", "modulepreload", "preload", "manifest"})
DATA_TYPES = frozenset({"application/ld+json", "application/json"})
"""Types of scripts that no browser runs: they hold data."""
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
END_TAG = re.compile(r"</([A-Za-z][^\s>/]*)")
BARE_AMPERSAND = re.compile(r"&(?!(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);)")


@dataclass
class PageFacts:
    """What one page has, refers to, and gets wrong."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    """What the browser fetches by itself."""
    problems: list[str] = field(default_factory=list)


def read_page(text: str) -> PageFacts:
    """Read the HTML of one page; problems name the line."""
    parser = html5lib.HTMLParser(tree=_Tree, namespaceHTMLElements=False)
    tree: _Tree = parser.tree
    tree.parser = parser
    root = parser.parse(text)
    facts = tree.facts
    facts.problems += [
        f"line {line}: {E[code] % values}" for (line, _), code, values in parser.errors
    ]
    if not facts.problems:
        facts.problems += _closed_silently(text, tree.opened)
    for found in BARE_AMPERSAND.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        facts.problems.append(f"line {line}: a bare &; write &amp;")
    if not root.get("lang"):
        facts.problems.append("<html> does not say its language")
    if not (root.findtext("head/title") or "").strip():
        facts.problems.append("has no <title>")
    for style in root.iter("style"):
        if not _allowed(text, style.text or ""):
            facts.problems.append(
                "<style> is inline, and its hash is not in the content security policy"
            )
    return facts


class _Tree(html5lib.getTreeBuilder("etree")):  # type: ignore[misc]  # html5lib has no types
    """The tree that the parser builds, which reads each element as it is put in."""

    parser: Any = None

    def reset(self) -> None:
        super().reset()
        self.facts = PageFacts()
        self.opened: Counter[str] = Counter()
        """By name, how many elements need an end tag."""

    def insertElementNormal(self, token: dict[str, Any]) -> Any:  # noqa: N802
        """Put in an element, as the parser requires."""
        name = token["name"]
        foreign = token.get("namespace") in (namespaces["svg"], namespaces["mathml"])
        if not (token.get("selfClosing") if foreign else name in voidElements):
            self.opened[name.lower()] += 1
        if not foreign:
            self._check_position(name)
        attributes = token["data"]
        # A key that is no text is an attribute of another namespace, such as xlink:href.
        self._read(name, {key: attributes[key] for key in attributes if isinstance(key, str)})
        return super().insertElementNormal(token)

    def insertText(self, data: str, parent: Any = None) -> None:  # noqa: N802
        """Put in text, as the parser requires."""
        inside = (self.openElements[-1] if parent is None else parent).name
        if inside in WITHOUT_TEXT and not data.isspace():
            self._say(f"text directly inside <{inside}>")
        super().insertText(data, parent)

    def _say(self, message: str) -> None:
        self.facts.problems.append(f"line {self.parser.tokenizer.stream.position()[0]}: {message}")

    def _check_position(self, name: str) -> None:
        """Say why an element cannot be where it is."""
        parent = self.openElements[-1].name
        if name not in ELEMENTS:
            self._say(f"<{name}> is not an element of HTML")
        if name not in CHILDREN.get(parent, {name}):
            self._say(f"<{name}> directly inside <{parent}>")
        if parent not in PARENTS.get(name, {parent}):
            self._say(f"<{name}> inside <{parent}>, not inside <{min(PARENTS[name])}>")

    def _read(self, name: str, attributes: dict[str, str]) -> None:
        """Note what an element is called and what it refers to, and say what is wrong with it."""
        facts = self.facts
        if (identity := attributes.get("id")) is not None:
            if identity in facts.ids:
                self._say(f"the id {identity!r} is given twice")
            facts.ids.add(identity)
        if name == "img" and "alt" not in attributes:
            self._say(f"the image {attributes.get('src', '')[:60]!r} has no alt text")
        runs = name == "script" and attributes.get("type") not in DATA_TYPES
        if "style" in attributes or (runs and "src" not in attributes):
            self._say(f"<{name}> is inline, which the content security policy forbids")
        for key, value in attributes.items():
            if key == "srcset":
                facts.loads += [part.split()[0] for part in value.split(",") if part.split()]
            elif (name, key) in LOADED:
                facts.loads.append(value)
            elif key == "href":
                relations = set(attributes.get("rel", "").split())
                loads = name == "link" and LOADING_RELATIONS & relations
                (facts.loads if loads else facts.links).append(value)


def _closed_silently(text: str, opened: Counter[str]) -> list[str]:
    """Which elements do not have an end tag each, as HTML allows for some."""
    closed = Counter(name.lower() for name in END_TAG.findall(COMMENT.sub("", text)))
    closed["html"] -= 1  # The root is not put into anything.
    return [
        f"{count} <{name}>, but {closed[name]} </{name}>: give each an end tag of its own"
        for name, count in sorted(opened.items())
        if count != closed[name]
    ]


def _allowed(page: str, style: str) -> bool:
    """Whether the page names the hash of the style, as a policy does that allows it."""
    return f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}" in page
