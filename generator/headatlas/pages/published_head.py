"""The page of a head of which only the label is published."""

from dataclasses import dataclass
from functools import partial

from headatlas import urls
from headatlas.citations import of_published
from headatlas.head_json import Mention, OtherHead, PublishedHeadFile, PublishedLabel
from headatlas.pages.literature import mentions
from headatlas.pages.page import ATLAS, Crumb, DataTwin, Page
from headatlas.pages.published import PublishedHead, PublishedModelView
from headatlas.pages.site_view import SiteView


@dataclass(frozen=True, eq=False)
class PublishedHeadContent:
    """The page."""

    model: PublishedModelView
    head: PublishedHead
    source: str
    alike: tuple[PublishedHead, ...]
    """Other heads of the model with this label."""
    elsewhere: tuple[tuple[PublishedModelView, tuple[PublishedHead, ...]], ...]
    """Heads of other models with this label."""
    mentions: tuple[Mention, ...]
    """Publications that name this head for a role."""
    previous: PublishedHead | None
    following: PublishedHead | None


def pages(site: SiteView) -> list[Page]:
    """A page for each head with a published label whose address no built head has."""
    return [
        _page(_content(site, model, index))
        for model in site.published.models
        for index, head in enumerate(model.heads)
        if not head.computed
    ]


def head_file(content: PublishedHeadContent, address: str) -> PublishedHeadFile:
    """What the page of the head shows, with its permanent address."""
    head = content.head
    return PublishedHeadFile(
        model=head.model,
        url=address,
        id=head.id,
        layer=head.layer,
        head=head.head,
        label=PublishedLabel(text=head.label, source=content.source),
        literature=list(content.mentions),
        same_label=[
            OtherHead(model=other.model, id=other.id)
            for group in (content.alike, *(heads for _, heads in content.elsewhere))
            for other in group
        ],
    )


def _content(site: SiteView, model: PublishedModelView, index: int) -> PublishedHeadContent:
    head, models = model.heads[index], site.published.models
    elsewhere = [(other, other.labelled(head.folded)) for other in models if other is not model]
    return PublishedHeadContent(
        model=model,
        head=head,
        source=site.published.paper.labels_source,
        mentions=mentions(site.literature, head.model, head.id),
        alike=tuple(other for other in model.labelled(head.folded) if other is not head),
        elsewhere=tuple((other, heads) for other, heads in elsewhere if heads),
        previous=model.heads[index - 1] if index else None,
        following=model.heads[index + 1] if index + 1 < len(model.heads) else None,
    )


def _page(content: PublishedHeadContent) -> Page:
    head = content.head
    name = f"{head.id} of {head.model}"
    return Page(
        link=head.page,
        template="published_head.html",
        title=f"{name}: {head.label}",
        description=f"Head {name}: the label {head.label}, as the paper’s authors published it; "
        "not computed here.",
        content=content,
        trail=(ATLAS, Crumb(head.model, content.model.page)),
        sections={
            **({"literature": "In the literature"} if content.mentions else {}),
            "same": "Heads with the same label",
        },
        reference=of_published(head.model, f"label of head {head.id} ({head.label})"),
        data=DataTwin(urls.head_data(head.model, head.id), partial(head_file, content)),
    )
