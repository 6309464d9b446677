"""A head's page: the evidence for its label, descriptions, images, maps, and what moves it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from clipheads.bundle.ground_truth import HeadTruth
from clipheads.bundle.head import DescriptionRecord, HeadRecord, ImageShare, TopicMaps
from headatlas import urls
from headatlas.citations import of_head
from headatlas.head_json import HeadFile, Mention, rounded
from headatlas.pages.ablation import AblationView, ablation_view
from headatlas.pages.evidence import FOLDED_BELOW, EvidenceView, evidence_view
from headatlas.pages.literature import mentions
from headatlas.pages.markdown_twin import head_twin
from headatlas.pages.page import DataTwin, Page
from headatlas.pages.profile import HeadProfileView, head_profile_view
from headatlas.pages.relatives import RelativesView, relatives_views
from headatlas.pages.site_view import SiteView
from headatlas.pages.spread import SpreadView, spread_view
from headatlas.pages.view import (
    HeadView,
    HeatMapView,
    ModelView,
    NeighbourView,
    Picture,
    PropertyView,
)
from headatlas.pictures.causal_bars import GROUP_NAMES, EffectBar, causal_bars, is_exact
from headatlas.pictures.heat_maps import peak


@dataclass(frozen=True, eq=False)
class DescriptionView:
    """A TEXTSPAN description with its pictures."""

    record: DescriptionRecord
    property: PropertyView | None
    heat: tuple[HeatMapView, ...]
    near: tuple[NeighbourView, ...]
    hits: int | None
    """How many of these images show what the text says; None where that is unknown."""


@dataclass(frozen=True, eq=False)
class AttentionView:
    """Where a head looks in an image."""

    heat: HeatMapView
    """Of multiples of the weight that each token would have if all had the same."""
    class_token: float
    """Weight of the class token itself."""


@dataclass(frozen=True, eq=False)
class HeadTruthView:
    """What is true of a head, of which only models of the demo world have a measure."""

    truth: HeadTruth
    bars: tuple[EffectBar, ...]
    leading: tuple[str, str]
    """The two groups that move it most, as pages call them."""
    exact: bool
    """Whether the label is the true property itself."""


@dataclass(frozen=True, eq=False)
class HeadContent:
    """A head's page."""

    model: ModelView
    head: HeadView
    record: HeadRecord
    rank: int
    """Among the model's heads by share of variance; 1 is the largest."""
    evidence: EvidenceView
    descriptions: tuple[DescriptionView, ...]
    spread: SpreadView
    strongest: tuple[tuple[Picture, ImageShare], ...]
    attention: tuple[AttentionView, ...]
    neighbours: tuple[tuple[Picture, tuple[NeighbourView, ...]], ...]
    topics: tuple[tuple[TopicMaps, tuple[HeatMapView, ...]], ...]
    ablation: AblationView
    relatives: RelativesView
    profile: HeadProfileView | None
    """What moves the head; None if no profile was made."""
    truth: HeadTruthView | None
    previous: HeadView | None
    following: HeadView | None
    earlier: HeadView | None
    """The head of the same number in the layer before."""
    later: HeadView | None
    published: str | None
    """The label that the paper's authors published for this head."""
    mentions: tuple[Mention, ...]
    """Publications that name this head for a role."""

    @property
    def shown(self) -> tuple[DescriptionView, ...]:
        """Descriptions that explain enough to be shown at once."""
        return tuple(view for view in self.descriptions if view.record.share >= FOLDED_BELOW)

    @property
    def folded(self) -> tuple[DescriptionView, ...]:
        """Those that explain less."""
        return tuple(view for view in self.descriptions if view.record.share < FOLDED_BELOW)

    @property
    def folded_below(self) -> float:
        """The share of variance below which descriptions are folded."""
        return FOLDED_BELOW

    @property
    def confidence(self) -> float | None:
        """The labeller's confidence, unless the reason for the label says it already."""
        said = self.model.record.labeller.kind == "explained"
        return None if said else self.record.label.confidence


def pages(site: SiteView) -> list[Page]:
    """A page for each head of each model that was built."""
    relatives = relatives_views(site)
    return [
        _page(content) for model in site.models for content in _contents(site, model, relatives)
    ]


def head_file(content: HeadContent, address: str) -> HeadFile:
    """What the page of a head shows, with its permanent address."""
    model, record = content.model.record, content.record
    maps = [m for description in record.descriptions for m in description.maps]
    maps += [m for topic in record.topics for m in topic.maps]
    return HeadFile(
        **dict(record),
        model=model.name,
        url=address,
        weights_sha256=model.weights.sha256,
        gallery_sha256=model.gallery_sha256,
        version=model.version,
        labeller=model.labeller,
        published_label=content.published,
        literature=list(content.mentions),
        rank=content.rank,
        heads=len(model.heads),
        ground_truth=content.truth.truth if content.truth else None,
        other_relatives={
            other: record.heads[content.record.id]
            for other, record in content.model.bundle.relatives.items()
        },
        heat_maps={str(m.map): rounded(content.model.bundle.maps[m.map]) for m in maps},
    )


def _page(content: HeadContent) -> Page:
    model, record = content.model, content.record
    label = record.label.text
    name = f"{record.id} of {model.record.name}"
    texts = "; ".join(description.text for description in record.descriptions[:3])
    reference = of_head(model.record, record.id, label)
    return Page(
        link=content.head.page,
        template="head.html",
        title=f"{name}: {label}" if label else name,
        description=f"Head {name}, {label or 'without a label'}. {texts}",
        content=content,
        trail=model.trail,
        sections={
            "evidence": "Evidence for the label" if record.answers else "Nearest images",
            "label": "Why this label" if label else "Why no label",
            "distribution": "The whole distribution",
            "descriptions": "Descriptions",
            "strongest": "Top images",
            "attention": "Attention",
            "neighbours": "Nearest neighbours in this head",
            **({"truth": "Ground truth"} if content.truth else {}),
            **({"profile": "What moves this head"} if content.profile else {}),
            "ablation": "How much it matters",
            "relatives": "Similar heads",
            "directions": "What its weights can write",
            "topics": "Topics",
            **({"literature": "In the literature"} if content.mentions else {}),
        },
        reference=reference,
        embeddable=True,
        twin=head_twin(content, reference),
        picture=content.strongest[0][0].full if content.strongest else None,
        data=DataTwin(urls.head_data(model.record.name, record.id), partial(head_file, content)),
    )


def _contents(
    site: SiteView, model: ModelView, relatives: Callable[[ModelView, int], RelativesView]
) -> list[HeadContent]:
    published = site.published_labels(model)
    by_position = {(head.summary.layer, head.summary.head): head for head in model.heads}
    ranked = sorted(model.heads, key=lambda head: -head.summary.variance_share)
    rank = {head.summary.id: rank for rank, head in enumerate(ranked, start=1)}
    contents = []
    for i, (head, record) in enumerate(zip(model.heads, model.bundle.heads, strict=True)):
        truth = _truth(model, record.id)
        contents.append(
            HeadContent(
                model=model,
                head=head,
                record=record,
                rank=rank[record.id],
                evidence=evidence_view(model, record, truth.truth if truth else None),
                descriptions=_descriptions(model, record, truth),
                spread=spread_view(record, model),
                strongest=tuple((model.pictures[s.image], s) for s in record.strongest),
                attention=_attention(model, record),
                neighbours=tuple(
                    (model.pictures[own.image], model.near(own.neighbours))
                    for own in record.image_neighbours
                ),
                topics=_topics(model, record),
                ablation=ablation_view(model, i),
                relatives=relatives(model, i),
                profile=head_profile_view(record.profile, model.record.profile),
                truth=truth,
                previous=model.heads[i - 1] if i else None,
                following=model.heads[i + 1] if i + 1 < len(model.heads) else None,
                earlier=by_position.get((record.layer - 1, record.head)),
                later=by_position.get((record.layer + 1, record.head)),
                published=published.get(record.id),
                mentions=()
                if model.local_weights
                else mentions(site.literature, model.record.name, record.id),
            )
        )
    return contents


def _descriptions(
    model: ModelView, record: HeadRecord, truth: HeadTruthView | None
) -> tuple[DescriptionView, ...]:
    hits: Sequence[int | None] = truth.truth.hits if truth else [None] * len(record.descriptions)
    return tuple(
        DescriptionView(
            record=description,
            property=model.property_named(description.property),
            heat=model.heat(description.maps, record.map_noise),
            near=model.near(description.neighbours),
            hits=count,
        )
        for description, count in zip(record.descriptions, hits, strict=True)
    )


def _topics(
    model: ModelView, record: HeadRecord
) -> tuple[tuple[TopicMaps, tuple[HeatMapView, ...]], ...]:
    heats = model.heats((topic.maps for topic in record.topics), record.map_noise)
    return tuple(zip(record.topics, heats, strict=True))


def _attention(model: ModelView, record: HeadRecord) -> tuple[AttentionView, ...]:
    views = []
    for share, own in zip(record.strongest, record.attention, strict=False):
        grid = np.asarray(own.patches, dtype=np.float32)
        relative = grid * np.float32(grid.size + 1)
        heat = HeatMapView(model.pictures[share.image], relative, peak(relative))
        views.append(AttentionView(heat, own.class_token))
    return tuple(views)


def _truth(model: ModelView, identity: str) -> HeadTruthView | None:
    if model.bundle.truth is None:
        return None
    truth = next(head for head in model.bundle.truth.heads if head.id == identity)
    first, second, *_ = (GROUP_NAMES[effect.name] for effect in truth.groups)
    return HeadTruthView(truth, causal_bars(truth), (first, second), is_exact(truth))
