"""The page of a head of which only the label is published."""

from dataclasses import dataclass
from functools import partial

from headatlas import urls
from headatlas.citations import of_published
from headatlas.head_json import OtherHead, PublishedHeadFile, PublishedLabel
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
    previous: PublishedHead | None
    following: PublishedHead | None


def pages(site: SiteView) -> list[Page]:
    """A page for each head with a published label whose address no built head has."""
    models, source = site.published.models, site.published.paper.labels_source
    return [
        _page(_content(model, index, models, source))
        for model in models
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
        same_label=[
            OtherHead(model=other.model, id=other.id)
            for group in (content.alike, *(heads for _, heads in content.elsewhere))
            for other in group
        ],
    )


def _content(
    model: PublishedModelView, index: int, models: tuple[PublishedModelView, ...], source: str
) -> PublishedHeadContent:
    head = model.heads[index]
    elsewhere = [(other, other.labelled(head.folded)) for other in models if other is not model]
    return PublishedHeadContent(
        model=model,
        head=head,
        source=source,
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
        sections={"same": "Heads with the same label"},
        reference=of_published(head.model, f"label of head {head.id} ({head.label})"),
        data=DataTwin(urls.head_data(head.model, head.id), partial(head_file, content)),
    )
