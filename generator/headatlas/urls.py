"""Every address of the site: of its pages and its files, relative and permanent.

Addresses of pages are promises: they stay what they are, because people cite them. Nothing else in
the generator writes one, and only `Urls` knows where the site will lie.

    >>> head("demo-clip", "L3.H2")
    Link(path='demo-clip/L3.H2/index.html', fragment='')
    >>> Urls("https://example.org/atlas/").permanent(head("demo-clip", "L3.H2"))
    'https://example.org/atlas/demo-clip/L3.H2/'
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class Link:
    """A file of the site, and optionally an anchor in it."""

    path: str
    """From the site's root, such as `demo-clip/L3.H2/index.html`."""
    fragment: str = ""

    def at(self, anchor: str) -> "Link":
        """The section of this page that has the id `anchor`."""
        return Link(self.path, anchor)


HOME = Link("index.html")
NOT_FOUND = Link("404.html")
METHODS = Link("methods/index.html")
SEARCH = Link("search/index.html")
COMPARE = Link("compare/index.html")
COMPARE_HEADS = Link("compare/heads/index.html")
COMPARE_HEADS_DATA = Link("compare/heads/heads.json")
GROUND_TRUTH = Link("ground-truth/index.html")
TABLE_1 = Link("recomputing-table-1/index.html")
PUBLISHED_LABELS = Link("published-labels/index.html")
LITERATURE = Link("literature/index.html")
LITERATURE_DATA = Link("literature/literature.json")
SITEMAP = Link("sitemap.xml")
ROBOTS = Link("robots.txt")
DATA = Link("data/index.html")
CROISSANT = Link("croissant.json")
RO_CRATE = Link("ro-crate-metadata.json")
LLMS = Link("llms.txt")
SERVICE_WORKER = Link("search/sw.js")


def model(name: str) -> Link:
    """The page of a model."""
    return Link(f"{name}/index.html")


def head(model: str, identity: str) -> Link:
    """The page of a head, such as `L3.H2`."""
    return Link(f"{model}/{identity}/index.html")


def head_data(model: str, identity: str) -> Link:
    """What the page of a head shows, as JSON."""
    return Link(f"{model}/{identity}/head.json")


def heads(part: int = 1) -> Link:
    """One part of the list of the heads of all models, counted from 1."""
    return Link(f"heads/{f'{part}/' if part > 1 else ''}index.html")


def heads_texts(part: int) -> Link:
    """The descriptions of the heads of one part of that list, for its filter."""
    return Link(f"heads/{f'{part}/' if part > 1 else ''}texts.js")


def finder(model: str) -> Link:
    """The table and the scatter plot of a model's heads by what is measured of them."""
    return Link(f"{model}/finder/index.html")


def markdown(page: Link) -> Link:
    """The page as Markdown."""
    return Link(page.path.removesuffix("index.html") + "index.md")


def data_file(model: str, name: str) -> Link:
    """A file with the data of a model, such as `heads.csv`."""
    return Link(f"{model}/{name}")


def properties(model: str) -> Link:
    """The list of a model's properties."""
    return Link(f"{model}/properties/index.html")


def property_(model: str, slug: str) -> Link:
    """The page of a property."""
    return Link(f"{model}/properties/{slug}/index.html")


def contrasts(model: str) -> Link:
    """The list of a model's contrasts."""
    return Link(f"{model}/contrasts/index.html")


def contrast(model: str, slug: str) -> Link:
    """The page of a contrast."""
    return Link(f"{model}/contrasts/{slug}/index.html")


def images(model: str, part: int = 1) -> Link:
    """One part of the list of a model's images, counted from 1."""
    return Link(f"{model}/images{f'-{part}' if part > 1 else ''}/index.html")


def images_texts(model: str, part: int) -> Link:
    """What the model answers about the images of one part of that list, for its filter."""
    return Link(f"{model}/images{f'-{part}' if part > 1 else ''}/texts.js")


def image(model: str, identity: str) -> Link:
    """The page of an image."""
    return Link(f"{model}/images/{identity}/index.html")


def picture(identity: str) -> Link:
    """An image of the gallery, which the pages of all models share."""
    return Link(f"gallery/{identity}.webp")


def small_picture(identity: str) -> Link:
    """The centred square of an image of the gallery, in small."""
    return Link(f"gallery/small/{identity}.webp")


def tiles(model: str) -> Link:
    """The top images of all heads of a model, as one picture."""
    return Link(f"{model}/tiles.webp")


def plot(model: str, name: str) -> Link:
    """A plot of the page Ground truth."""
    return Link(f"ground-truth/{model}-{name}.svg")


def asset(name: str) -> Link:
    """A style, a script or an icon of all pages, or a file in a folder of such."""
    return Link(f"assets/{name}")


def schema(name: str) -> Link:
    """The JSON Schema of a kind of record."""
    return Link(f"schema/{name}.json")


def search_file(name: str, model: str | None = None) -> Link:
    """A file that the search page loads: of one model, or of all."""
    return Link(f"search/{name}" if model is None else f"search/{model}/{name}")


TOP_LEVEL = frozenset(
    PurePosixPath(link.path).parts[0]
    for link in (
        HOME,
        NOT_FOUND,
        METHODS,
        SEARCH,
        heads(),
        COMPARE,
        GROUND_TRUTH,
        TABLE_1,
        PUBLISHED_LABELS,
        LITERATURE,
        SITEMAP,
        ROBOTS,
        DATA,
        CROISSANT,
        RO_CRATE,
        LLMS,
        picture(""),
        asset(""),
        schema(""),
    )
)
"""The names at the root of a site beside its models; the contract reserves them, so that no model
can have one (`clipheads.bundle.names.RESERVED_NAMES`)."""


@dataclass(frozen=True)
class Urls:
    """The addresses of a site that will be served at `base_url`, as far as that is known."""

    base_url: str | None = None
    doi: str | None = None
    """The DOI of the site or of its archive, such as `10.5281/zenodo.1234`."""
    licence: str | None = None
    """Address of the licence of the site's data; None if nobody said which it is."""

    def permanent(self, link: Link) -> str:
        """The permanent address of a page or a file: a folder's, without `index.html`.

        Without a base URL it starts at the site's root: `/demo-clip/L3.H2/`.
        """
        return _joined(self.base_url or "", link)

    def from_host(self, link: Link) -> str:
        """The address from the root of the host, which leads there from any page of it."""
        return _joined(urlsplit(self.base_url or "").path, link)


def relative(source: Link, link: Link) -> str:
    """The link as the page `source` writes it.

    File names stay in it (`../L0.H1/index.html`), because a folder opened from disk
    has no server that would add them.

    >>> relative(head("demo-clip", "L3.H2"), model("demo-clip").at("heads"))
    '../index.html#heads'
    """
    fragment = f"#{quote(link.fragment)}" if link.fragment else ""
    if link.path == source.path and fragment:
        return fragment
    return _relative_path(PurePosixPath(source.path).parts[:-1], link.path) + fragment


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


def _joined(base: str, link: Link) -> str:
    return f"{base.rstrip('/')}/{quote(link.path.removesuffix('index.html'))}"
