"""The index of all heads: every head of every model, built or published, in parts if need be."""

from collections.abc import Iterator
from dataclasses import dataclass

from clipheads.bundle.head import HeadRecord
from headatlas import urls
from headatlas.citations import Reference
from headatlas.pages.filter_texts import filter_texts
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.published import as_shown
from headatlas.pages.site_view import SiteView
from headatlas.urls import Link

PART = 2400
"""Heads of a part: six models of 24 layers of 16 heads fit into one."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A head as the index shows it."""

    model: str
    model_page: Link
    built: bool
    """Whether it was computed here, rather than only labelled by the paper's authors."""
    id: str
    page: Link
    label: str | None
    description: str
    """Its first description, if it was computed here."""
    colour: int | None
    """Of its label."""
    texts: tuple[str, ...]
    """All its descriptions."""


@dataclass(frozen=True, eq=False)
class HeadsContent:
    """One part of the index."""

    models: tuple[tuple[str, tuple[Entry, ...]], ...]
    """Names of models, each with its heads on this part."""
    count: int
    """Heads in all parts."""
    built: int
    """Heads in all parts that were computed here."""
    parts: tuple[Link, ...]
    texts: Link


def pages(site: SiteView) -> list[Page]:
    """One page or more."""
    entries = [*_built(site), *_published(site)]
    groups = [entries[start : start + PART] for start in range(0, len(entries), PART)]
    parts = tuple(urls.heads(part) for part in range(1, len(groups) + 1))
    names = len({entry.model for entry in entries})
    return [
        Page(
            link=parts[part - 1],
            template="heads.html",
            title="Heads" + (f", part {part}" if part > 1 else ""),
            description=f"All {len(entries)} heads of {names} CLIP models with their labels and "
            "descriptions, to be filtered by either.",
            content=HeadsContent(
                models=_by_model(shown),
                count=len(entries),
                built=sum(entry.built for entry in entries),
                parts=parts,
                texts=urls.heads_texts(part),
            ),
            trail=(ATLAS,),
            files={urls.heads_texts(part): filter_texts(entry.texts for entry in shown)},
            reference=Reference("index of the attention heads of CLIP's vision transformers"),
        )
        for part, shown in enumerate(groups, start=1)
    ]


def _built(site: SiteView) -> Iterator[Entry]:
    for model in site.models:
        for head, record in zip(model.heads, model.bundle.heads, strict=True):
            yield Entry(
                model=model.record.name,
                model_page=model.page,
                built=True,
                id=record.id,
                page=head.page,
                label=record.label.text,
                description=head.summary.first_description,
                colour=head.property.colour if head.property else None,
                texts=_described(record),
            )


def _described(record: HeadRecord) -> tuple[str, ...]:
    return tuple(description.text for description in record.descriptions)


def _published(site: SiteView) -> Iterator[Entry]:
    """The published heads that were not computed here."""
    for model in site.published.models:
        for head in model.heads:
            if not head.computed:
                yield Entry(
                    model=head.model,
                    model_page=model.page,
                    built=False,
                    id=head.id,
                    page=head.page,
                    label=as_shown(head.label),
                    description="",
                    colour=None,
                    texts=(),
                )


def _by_model(entries: list[Entry]) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.model, []).append(entry)
    return tuple((name, tuple(group)) for name, group in groups.items())
