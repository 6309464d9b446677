"""In the literature: heads that publications name for a role, on their pages and in one list."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipheads.bundle.literature import LiteratureRecord, NamedHeads, Publication
from headatlas import urls
from headatlas.head_json import Mention
from headatlas.pages.page import ATLAS, DataTwin, Page
from headatlas.pages.site_view import SiteView
from headatlas.urls import Link


@dataclass(frozen=True, eq=False)
class NamedHead:
    """A head that is named, with its page if the site has one."""

    id: str
    page: Link | None


@dataclass(frozen=True, eq=False)
class NamedRow:
    """Heads of one model that are named for one role."""

    record: NamedHeads
    heads: tuple[NamedHead, ...]


@dataclass(frozen=True, eq=False)
class LiteratureContent:
    """The page."""

    groups: tuple[tuple[Publication, tuple[NamedRow, ...]], ...]
    """Each publication with the heads that it names."""
    source: str
    published_models: int
    """Models of which the labels of all heads are published."""


def mentions(literature: LiteratureRecord, model: str, identity: str) -> tuple[Mention, ...]:
    """Where a head of this model, with exactly these weights, is named."""
    publications = {publication.id: publication for publication in literature.publications}
    return tuple(
        Mention(
            role=row.role,
            publication=publications[row.publication],
            position=row.position,
            weights=row.weights,
            url=row.url,
        )
        for row in literature.named
        if row.model == model and identity in row.heads
    )


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    literature, shown = site.literature, _pages_of_heads(site)
    groups = tuple(
        (publication, _rows(literature.named, publication, shown))
        for publication in literature.publications
    )
    heads = {(row.architecture, row.pretrained, h) for row in literature.named for h in row.heads}
    return [
        Page(
            link=urls.LITERATURE,
            template="literature.html",
            title="Heads in the literature",
            description=f"{len(heads)} attention heads of CLIP models that "
            f"{len(literature.publications)} publications name for what they do, with where each "
            "says so.",
            content=LiteratureContent(groups, literature.source, len(site.published.models)),
            trail=(ATLAS,),
            sections={publication.id: publication.title for publication, _ in groups},
            data=DataTwin(urls.LITERATURE_DATA, lambda _address: literature),
        )
    ]


def _rows(
    named: Sequence[NamedHeads], publication: Publication, shown: dict[tuple[str, str], Link]
) -> tuple[NamedRow, ...]:
    return tuple(
        NamedRow(
            row,
            tuple(NamedHead(head, shown.get((row.model or "", head))) for head in row.heads),
        )
        for row in named
        if row.publication == publication.id
    )


def _pages_of_heads(site: SiteView) -> dict[tuple[str, str], Link]:
    """The pages of heads with pretrained weights, by model and head."""
    published = {(h.model, h.id): h.page for m in site.published.models for h in m.heads}
    own = {model.record.name for model in site.models if model.local_weights}
    built = {
        (model.record.name, head.summary.id): head.page
        for model in site.models
        for head in model.heads
    }
    return {key: page for key, page in (published | built).items() if key[0] not in own}
