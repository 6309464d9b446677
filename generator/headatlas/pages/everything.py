"""Every page of the site as a value, complete before a byte is rendered.

Paths are from the site's root. They are promises: `<model>/L11.H7/`, `<model>/images/<id>/`,
`<model>/properties/<slug>/`, `<model>/contrasts/<slug>/`, `<model>/`, `methods/`, `search/`; and
those of `published`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.gallery import GalleryImage, GalleryManifest
from clipheads.bundle.ground_truth import HeadTruth
from clipheads.bundle.head import (
    DescriptionRecord,
    HeadRecord,
    HeatMap,
    ImageShare,
    Neighbour,
    TopicMaps,
)
from clipheads.bundle.images import HeadShare
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.model import ContrastRecord, HeadSummary, ModelRecord, PropertyRecord, Term
from headatlas.atlas_reader import Atlas, ModelBundle
from headatlas.citations import Citation, cite_model_page, cite_page
from headatlas.links import Link, address, links_in
from headatlas.pages.profile import EffectMap, HeadProfileView, effect_maps, head_profile_view
from headatlas.pictures.causal_bars import GROUP_NAMES, EffectBar, causal_bars, is_exact
from headatlas.pictures.heat_maps import peak
from headatlas.pictures.palette import COLOURS, assign

HOME = Link("index.html")
METHODS = Link("methods/index.html")
COMPARE = Link("compare/index.html")
GROUND_TRUTH = Link("ground-truth/index.html")
TABLE_1 = Link("recomputing-table-1/index.html")
PUBLISHED_LABELS = Link("published-labels/index.html")
SEARCH = Link("search/index.html")
NOT_FOUND = "404.html"
LEAF = 600
"""Images on one leaf of a model's list of images; more would make the page too heavy."""
OPENAI_WEIGHTS = {
    "ViT-B-32_openai": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "ViT-B-16_openai": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "ViT-L-14_openai": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
}
"""SHA-256 of OpenAI's files, as their addresses have it: so they are known as local files too."""
METHODS_ANCHORS = frozenset(
    {
        "decomposition",
        "shares",
        "low-rank",
        "textspan",
        "labels",
        "entanglement",
        "association",
        "neighbours",
        "segmentation",
        "profile",
        "pictures",
        "limits",
        "data",
        "references",
    }
)


@dataclass(frozen=True, eq=False)
class Crumb:
    """One step of the way from the home page."""

    text: str
    link: Link


@dataclass(frozen=True, eq=False)
class Page:
    """One page: where it lies, which template shows it, and all that it says."""

    path: str
    template: str
    title: str
    description: str
    content: Any
    """The dataclass that the template of this name expects."""
    trail: tuple[Crumb, ...] = ()
    anchors: frozenset[str] = frozenset()
    """Fragments that other pages may link to."""
    picture: Link | None = None
    """What a preview of the page shows."""
    citation: Citation | None = None
    """How to cite it; `cited` gives one to every page that has none of its own."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A gallery image, as the pages of one model show it."""

    image: GalleryImage
    page: Link
    small: Link
    """The centred square, which is what the model sees."""
    full: Link


@dataclass(frozen=True, eq=False)
class PropertyView:
    """A property of one model, with its colour."""

    record: PropertyRecord
    page: Link
    number: int
    """Of the property among all properties of the site."""
    colour: int


@dataclass(frozen=True, eq=False)
class HeadView:
    """A head, as other pages show it."""

    summary: HeadSummary
    page: Link
    property: PropertyView | None


@dataclass(frozen=True, eq=False)
class Heat:
    """A heat map over a picture."""

    picture: Picture
    grid: NDArray[np.float32]
    """[rows, columns]: ⟨c of the patch, text⟩."""
    scale: float
    """The absolute value of full colour, which maps that are shown together share."""


@dataclass(frozen=True, eq=False)
class Near:
    """A picture and its cosine with what was asked."""

    picture: Picture
    score: float


@dataclass(frozen=True, eq=False)
class ModelView:
    """What all pages of one model share."""

    bundle: ModelBundle
    record: ModelRecord
    page: Link
    images_page: Link
    properties_page: Link
    contrasts_page: Link
    heads: tuple[HeadView, ...]
    rows: tuple[tuple[int, tuple[HeadView, ...]], ...]
    """Layers with their heads, the last layer first: it writes into the embedding last."""
    properties: tuple[PropertyView, ...]
    contrasts: tuple[tuple[ContrastRecord, Link], ...]
    pictures: dict[str, Picture]
    labelled: int
    """How many heads have a label."""
    labelled_variance: float | None
    """Their part of what all heads of the bundle write of the embedding's variance, unless that is
    nothing."""

    @property
    def local_weights(self) -> bool:
        """Whether the weights come from a file, whatever pretrained model has the same name."""
        weights = self.record.weights
        return (
            not self.record.name.endswith(f"_{weights.source}")
            and OPENAI_WEIGHTS.get(self.record.name) != weights.sha256
        )

    def head(self, identity: str) -> HeadView:
        """The head of this name."""
        return next(head for head in self.heads if head.summary.id == identity)

    def property_named(self, name: str | None) -> PropertyView | None:
        """The property of this name, if it labels a head."""
        folded = fold_label(name or "")
        return next((p for p in self.properties if fold_label(p.record.name) == folded), None)

    def heat(self, maps: Iterable[HeatMap]) -> tuple[Heat, ...]:
        """Heat maps that are shown together, on the scale of the largest value in any of them."""
        return self.heats([maps])[0]

    def heats(self, groups: Iterable[Iterable[HeatMap]]) -> tuple[tuple[Heat, ...], ...]:
        """Groups of heat maps, all on one scale: that of the largest value in any of them."""
        found = [
            [(self.pictures[m.image], self.bundle.maps[m.map]) for m in maps] for maps in groups
        ]
        scale = max((peak(grid) for group in found for _, grid in group), default=0.0)
        return tuple(
            tuple(Heat(picture, grid, scale) for picture, grid in group) for group in found
        )

    def near(self, neighbours: Iterable[Neighbour]) -> tuple[Near, ...]:
        """Neighbours with their pictures."""
        return tuple(Near(self.pictures[n.image], n.score) for n in neighbours)


@dataclass(frozen=True, eq=False)
class Example:
    """The head that explains on the home page how to read an atlas."""

    model: ModelView
    head: HeadView
    record: HeadRecord
    descriptions: tuple[tuple[DescriptionRecord, tuple[Heat, ...]], ...]
    strongest: tuple[Picture, ...]


@dataclass(frozen=True, eq=False)
class HomeContent:
    """The home page."""

    models: tuple[ModelView, ...]
    published: tuple[tuple[str, Link, int], ...]
    """Models of which only the paper's labels are shown: name, page and number of heads."""
    published_heads: int
    """Heads whose label the paper's authors published, in all models."""
    published_models: int
    example: Example
    gallery: GalleryManifest
    pictures: tuple[Picture, ...]
    credits: tuple[tuple[str, str, int], ...]
    """Credit line, licence and number of images, the most frequent first."""


@dataclass(frozen=True, eq=False)
class LayerTerms:
    """The terms that one layer writes."""

    layer: int
    attention: Term
    mlp: Term


@dataclass(frozen=True, eq=False)
class ModelContent:
    """A model's page."""

    model: ModelView
    gallery: GalleryManifest
    input: Term
    layers: tuple[LayerTerms, ...]
    effects: tuple[EffectMap, ...]
    """What moves the heads; empty if no profile was made."""
    published: int
    """Heads of this model whose label the paper's authors published."""


@dataclass(frozen=True, eq=False)
class DescriptionView:
    """A TEXTSPAN description with its pictures."""

    record: DescriptionRecord
    property: PropertyView | None
    heat: tuple[Heat, ...]
    near: tuple[Near, ...]
    hits: int | None
    """How many of these images show what the text says; None where that is not known."""


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
    """Place among the model's heads by share of variance; 1 is the largest."""
    json: Link
    descriptions: tuple[DescriptionView, ...]
    strongest: tuple[tuple[Picture, ImageShare], ...]
    neighbours: tuple[tuple[Picture, tuple[Near, ...]], ...]
    topics: tuple[tuple[TopicMaps, tuple[Heat, ...]], ...]
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


@dataclass(frozen=True, eq=False)
class PropertyContent:
    """A property's page."""

    model: ModelView
    property: PropertyView
    heads: tuple[HeadView, ...]
    queries: tuple[tuple[Picture, tuple[Near, ...]], ...]


@dataclass(frozen=True, eq=False)
class PropertiesContent:
    """The list of a model's properties."""

    model: ModelView
    properties: tuple[tuple[PropertyView, tuple[HeadView, ...]], ...]
    unlabelled: tuple[HeadView, ...]


@dataclass(frozen=True, eq=False)
class ImageHead:
    """A head's part in one image, and the image's neighbours in that head."""

    head: HeadView
    strength: HeadShare
    near: tuple[Near, ...]


@dataclass(frozen=True, eq=False)
class ImageContent:
    """An image's page."""

    model: ModelView
    picture: Picture
    heads: tuple[ImageHead, ...]
    previous: Picture | None
    following: Picture | None


@dataclass(frozen=True, eq=False)
class ImagesContent:
    """One leaf of the list of a model's images."""

    model: ModelView
    gallery: GalleryManifest
    pictures: tuple[Picture, ...]
    leaves: tuple[Link, ...]


@dataclass(frozen=True, eq=False)
class ContrastContent:
    """A contrast's page."""

    model: ModelView
    record: ContrastRecord
    heat: tuple[Heat, ...]


@dataclass(frozen=True, eq=False)
class ContrastsContent:
    """The list of a model's contrasts."""

    model: ModelView
    contrasts: tuple[tuple[ContrastRecord, Link, Heat | None], ...]


@dataclass(frozen=True, eq=False)
class MethodsContent:
    """The methods page."""

    models: tuple[ModelView, ...]
    picks: int
    """Descriptions of a head, of the head that has most."""


@dataclass(frozen=True, eq=False)
class NotFoundContent:
    """What a server shows when there is no such page."""

    models: tuple[ModelView, ...]


def head_json(head: HeadView) -> Link:
    """Where a head's record lies."""
    return Link(head.page.path.replace("index.html", "head.json"))


def model_views(atlas: Atlas) -> tuple[ModelView, ...]:
    """What the pages of each built model share."""
    numbers = assign(
        bearer.slug
        for model in atlas.models
        for bearer in model.record.properties
        for _ in bearer.heads
    )
    return tuple(_view(model, atlas.gallery, numbers) for model in atlas.models)


def build_pages(
    atlas: Atlas,
    models: tuple[ModelView, ...],
    published: Mapping[str, Mapping[str, str]],
    base_url: str | None = None,
) -> list[Page]:
    """All pages of the built models, in a fixed order.

    Args:
        atlas: what was read.
        models: its `model_views`.
        published: labels published elsewhere, by model and head.
        base_url: only goes into citations.
    """
    pages = [
        _home(models, atlas.gallery, published, base_url),
        _methods(models),
        _not_found(models),
    ]
    for model in models:
        told = {} if model.local_weights else published.get(model.record.name, {})
        pages.append(_model_page(model, atlas.gallery, len(told), base_url))
        pages += _head_pages(model, told, base_url)
        pages += _property_pages(model, base_url)
        pages += _contrast_pages(model, base_url)
        pages += _image_pages(model, atlas.gallery, base_url)
    return pages


def cited(pages: Sequence[Page], base_url: str | None = None) -> list[Page]:
    """The pages, each with a citation: those that have none of their own by title and address."""
    return [
        page
        if page.citation or page.path == NOT_FOUND
        else replace(page, citation=cite_page(page.title, address(base_url, page.path)))
        for page in pages
    ]


def gallery_files(gallery: GalleryManifest) -> list[str]:
    """The shared pictures: each image, and its centred square in small."""
    return [
        path
        for image in gallery.images
        for path in (f"gallery/{image.id}.webp", f"gallery/small/{image.id}.webp")
    ]


def check_links(pages: Sequence[Page], files: Iterable[str]) -> None:
    """Raise AtlasError if a page links to a page, place or file that will not exist."""
    anchors = {page.path: page.anchors for page in pages}
    others = set(files)
    seen: set[int] = set()
    for page in pages:
        links = (page.picture, page.trail, page.content)
        for link in links_in(links, seen):
            known = link.path in anchors or link.path in others
            if not known or (link.fragment and link.fragment not in anchors.get(link.path, ())):
                target = f"{link.path}#{link.fragment}" if link.fragment else link.path
                raise AtlasError(f"{page.path}: links to {target}, which the site will not have")


def _view(bundle: ModelBundle, gallery: GalleryManifest, numbers: dict[str, int]) -> ModelView:
    record = bundle.record
    root = record.name
    properties = tuple(
        PropertyView(
            record=bearer,
            page=Link(f"{root}/properties/{bearer.slug}/index.html"),
            number=numbers[bearer.slug],
            colour=numbers[bearer.slug] % COLOURS,
        )
        for bearer in sorted(record.properties, key=lambda p: (-len(p.heads), p.slug))
    )
    bearer_of = {head: bearer for bearer in properties for head in bearer.record.heads}
    heads = tuple(
        HeadView(
            summary=summary,
            page=Link(f"{root}/{summary.id}/index.html"),
            property=bearer_of.get(summary.id),
        )
        for summary in record.heads
    )
    labelled = [head for head in heads if head.summary.label is not None]
    variance = sum(head.summary.variance_share for head in heads)
    return ModelView(
        labelled=len(labelled),
        labelled_variance=sum(head.summary.variance_share for head in labelled) / variance
        if variance > 0
        else None,
        bundle=bundle,
        record=record,
        page=Link(f"{root}/index.html"),
        images_page=Link(f"{root}/images/index.html"),
        properties_page=Link(f"{root}/properties/index.html"),
        contrasts_page=Link(f"{root}/contrasts/index.html"),
        heads=heads,
        rows=tuple(
            (
                layer,
                tuple(
                    sorted(
                        (head for head in heads if head.summary.layer == layer),
                        key=lambda head: head.summary.head,
                    )
                ),
            )
            for layer in sorted(record.layers, reverse=True)
        ),
        properties=properties,
        contrasts=tuple(
            (contrast, Link(f"{root}/contrasts/{contrast.slug}/index.html"))
            for contrast in record.contrasts
        ),
        pictures={
            image.id: Picture(
                image=image,
                page=Link(f"{root}/images/{image.id}/index.html"),
                small=Link(f"gallery/small/{image.id}.webp"),
                full=Link(f"gallery/{image.id}.webp"),
            )
            for image in gallery.images
        },
    )


def _home(
    models: tuple[ModelView, ...],
    gallery: GalleryManifest,
    published: Mapping[str, Mapping[str, str]],
    base_url: str | None,
) -> Page:
    counts: dict[tuple[str, str], int] = {}
    for image in gallery.images:
        key = (image.credit, image.licence)
        counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    example = _example(models)
    count = sum(len(model.heads) for model in models)
    return Page(
        path=HOME.path,
        template="home.html",
        title="CLIP Head Atlas",
        description=f"What each of {count} attention heads of CLIP's vision transformers responds "
        "to: descriptions, images, heat maps and scores, one citable page for every head.",
        content=HomeContent(
            models=models,
            published=tuple(
                (name, Link(f"{name}/index.html"), len(labels))
                for name, labels in published.items()
                if name not in {model.record.name for model in models}
            ),
            published_heads=sum(map(len, published.values())),
            published_models=len(published),
            example=example,
            gallery=gallery,
            pictures=tuple(list(models[0].pictures.values())[:12]),
            credits=tuple((credit, licence, n) for (credit, licence), n in ranked),
        ),
        anchors=frozenset({"read", "models", "published", "gallery"}),
        citation=cite_page(
            "attention heads of CLIP's vision transformers", address(base_url, HOME.path)
        ),
        picture=example.strongest[0].full if example.strongest else None,
    )


def _example(models: tuple[ModelView, ...]) -> Example:
    """The head with the most descriptions that match its label; of those, the weightiest."""
    candidates = [
        (sum(d.matches_label for d in record.descriptions), head.summary.variance_share, model, at)
        for model in models
        for at, (head, record) in enumerate(zip(model.heads, model.bundle.heads, strict=True))
    ]
    _, _, model, at = max(candidates, key=lambda candidate: candidate[:2])
    record = model.bundle.heads[at]
    return Example(
        model=model,
        head=model.heads[at],
        record=record,
        descriptions=tuple(
            (description, model.heat(description.maps)) for description in record.descriptions[:3]
        ),
        strongest=tuple(model.pictures[s.image] for s in record.strongest[:6]),
    )


def _methods(models: tuple[ModelView, ...]) -> Page:
    return Page(
        path=METHODS.path,
        template="methods.html",
        title="Methods",
        description="How the atlas decomposes a CLIP vision transformer into its heads, describes "
        "and labels them, and what its scores mean.",
        content=MethodsContent(
            models=models,
            picks=max(len(head.descriptions) for model in models for head in model.bundle.heads),
        ),
        trail=(Crumb("Atlas", HOME),),
        anchors=METHODS_ANCHORS,
    )


def _not_found(models: tuple[ModelView, ...]) -> Page:
    return Page(
        path=NOT_FOUND,
        template="not_found.html",
        title="Page not found",
        description="The atlas has no page at this address.",
        content=NotFoundContent(models=models),
    )


def _model_page(
    model: ModelView, gallery: GalleryManifest, published: int, base_url: str | None
) -> Page:
    record = model.record
    by_layer: dict[tuple[str, int | None], Term] = {(t.kind, t.layer): t for t in record.terms}
    shape = record.architecture
    return Page(
        path=model.page.path,
        template="model.html",
        title=record.name,
        description=f"The {len(model.heads)} attention heads of {record.name}, by layer and "
        "property, with entanglement and association scores.",
        content=ModelContent(
            model=model,
            gallery=gallery,
            input=by_layer["input", None],
            layers=tuple(
                LayerTerms(layer, by_layer["attention", layer], by_layer["mlp", layer])
                for layer in reversed(range(shape.layers))
            ),
            effects=effect_maps(model.bundle.heads, record.profile),
            published=published,
        ),
        citation=cite_model_page(record, "heads", address(base_url, model.page.path)),
        trail=(Crumb("Atlas", HOME),),
        anchors=frozenset(
            {"heads", "profile", "scores", "terms", "properties", "contrasts", "cite"}
        ),
    )


def _head_pages(model: ModelView, published: Mapping[str, str], base_url: str | None) -> list[Page]:
    at = {(head.summary.layer, head.summary.head): head for head in model.heads}
    ranked = sorted(model.heads, key=lambda head: -head.summary.variance_share)
    rank = {head.summary.id: place for place, head in enumerate(ranked, start=1)}
    pages = []
    for place, (head, record) in enumerate(zip(model.heads, model.bundle.heads, strict=True)):
        label = record.label.text
        name = f"{record.id} of {model.record.name}"
        texts = "; ".join(description.text for description in record.descriptions[:3])
        truth = _head_truth(model, record.id)
        content = HeadContent(
            model=model,
            head=head,
            record=record,
            rank=rank[record.id],
            json=head_json(head),
            descriptions=tuple(
                DescriptionView(
                    record=description,
                    property=model.property_named(description.property),
                    heat=model.heat(description.maps),
                    near=model.near(description.neighbours),
                    hits=hits,
                )
                for description, hits in zip(record.descriptions, _hits(truth, record), strict=True)
            ),
            strongest=tuple((model.pictures[s.image], s) for s in record.strongest),
            neighbours=tuple(
                (model.pictures[own.image], model.near(own.neighbours))
                for own in record.image_neighbours
            ),
            topics=tuple(
                zip(record.topics, model.heats(t.maps for t in record.topics), strict=True)
            ),
            profile=head_profile_view(record.profile, model.record.profile),
            truth=truth,
            previous=model.heads[place - 1] if place else None,
            following=model.heads[place + 1] if place + 1 < len(model.heads) else None,
            earlier=at.get((record.layer - 1, record.head)),
            later=at.get((record.layer + 1, record.head)),
            published=published.get(record.id),
        )
        pages.append(
            Page(
                path=head.page.path,
                template="head.html",
                title=f"{name}: {label}" if label else name,
                description=f"Head {name}, {label or 'without a label'}. {texts}",
                content=content,
                trail=(Crumb("Atlas", HOME), Crumb(model.record.name, model.page)),
                anchors=frozenset(
                    {"descriptions", "strongest", "neighbours", "profile", "topics", "cite"}
                ),
                citation=cite_model_page(
                    model.record,
                    f"head {record.id}" + (f" ({label})" if label else ""),
                    address(base_url, head.page.path),
                ),
                picture=content.strongest[0][0].full if content.strongest else None,
            )
        )
    return pages


def _head_truth(model: ModelView, identity: str) -> HeadTruthView | None:
    if model.bundle.truth is None:
        return None
    truth = next(head for head in model.bundle.truth.heads if head.id == identity)
    first, second, *_ = (GROUP_NAMES[one.name] for one in truth.groups)
    return HeadTruthView(truth, causal_bars(truth), (first, second), is_exact(truth))


def _hits(view: HeadTruthView | None, record: HeadRecord) -> Sequence[int | None]:
    return view.truth.hits if view else [None] * len(record.descriptions)


def _property_pages(model: ModelView, base_url: str | None) -> list[Page]:
    name = model.record.name
    trail = (Crumb("Atlas", HOME), Crumb(name, model.page))
    bearers = tuple(
        (bearer, tuple(model.head(identity) for identity in bearer.record.heads))
        for bearer in model.properties
    )
    pages = [
        Page(
            path=model.properties_page.path,
            template="properties.html",
            title=f"Properties of {name}",
            description=f"The properties that label heads of {name}.",
            content=PropertiesContent(
                model=model,
                properties=bearers,
                unlabelled=tuple(head for head in model.heads if head.property is None),
            ),
            trail=trail,
            citation=cite_model_page(
                model.record, "properties", address(base_url, model.properties_page.path)
            ),
        )
    ]
    for bearer, heads in bearers:
        title = bearer.record.name
        pages.append(
            Page(
                path=bearer.page.path,
                template="property.html",
                title=f"{title} in {name}",
                description=f"The heads of {name} labelled {title}, and the nearest neighbours of "
                "images by them.",
                content=PropertyContent(
                    model=model,
                    property=bearer,
                    heads=heads,
                    queries=tuple(
                        (model.pictures[query.image], model.near(query.neighbours))
                        for query in bearer.record.queries
                    ),
                ),
                trail=(*trail, Crumb("Properties", model.properties_page)),
                anchors=frozenset({"heads", "neighbours", "cite"}),
                citation=cite_model_page(
                    model.record, f"property {title}", address(base_url, bearer.page.path)
                ),
            )
        )
    return pages


def _contrast_pages(model: ModelView, base_url: str | None) -> list[Page]:
    name = model.record.name
    trail = (Crumb("Atlas", HOME), Crumb(name, model.page))
    contrasts = tuple((record, link, model.heat(record.maps)) for record, link in model.contrasts)
    pages = [
        Page(
            path=model.contrasts_page.path,
            template="contrasts.html",
            title=f"Contrasts in {name}",
            description=f"Where {name} sees one text rather than another.",
            content=ContrastsContent(
                model=model,
                contrasts=tuple(
                    (record, link, next(iter(heat), None)) for record, link, heat in contrasts
                ),
            ),
            trail=trail,
            citation=cite_model_page(
                model.record, "contrasts", address(base_url, model.contrasts_page.path)
            ),
        )
    ]
    for record, link, heat in contrasts:
        title = f"{record.first} vs {record.second}"
        pages.append(
            Page(
                path=link.path,
                template="contrast.html",
                title=f"{title} in {name}",
                description=f"Where {name} sees {record.first} rather than {record.second}, summed "
                "over all its heads.",
                content=ContrastContent(
                    model=model,
                    record=record,
                    heat=heat,
                ),
                trail=(*trail, Crumb("Contrasts", model.contrasts_page)),
                anchors=frozenset({"cite"}),
                citation=cite_model_page(
                    model.record, f"contrast {title}", address(base_url, link.path)
                ),
            )
        )
    return pages


def _image_pages(model: ModelView, gallery: GalleryManifest, base_url: str | None) -> list[Page]:
    name = model.record.name
    trail = (Crumb("Atlas", HOME), Crumb(name, model.page))
    pictures = tuple(model.pictures.values())
    heads = {head.summary.id: (at, head) for at, head in enumerate(model.heads)}
    starts = range(0, len(pictures), LEAF)
    leaves = tuple(
        Link(f"{name}/images-{number}/index.html") if number > 1 else model.images_page
        for number, _ in enumerate(starts, start=1)
    )
    pages = [
        Page(
            path=leaf.path,
            template="images.html",
            title=f"Images in {name}" + (f", part {number}" if number > 1 else ""),
            description=f"The {len(pictures)} gallery images over which {name} was decomposed.",
            content=ImagesContent(
                model=model,
                gallery=gallery,
                pictures=pictures[start : start + LEAF],
                leaves=leaves,
            ),
            trail=trail,
            citation=cite_model_page(
                model.record,
                "images" + (f", part {number}," if number > 1 else ""),
                address(base_url, leaf.path),
            ),
        )
        for number, (leaf, start) in enumerate(zip(leaves, starts, strict=True), start=1)
    ]
    for place, picture in enumerate(pictures):
        identity = picture.image.id
        rows = []
        for strength in model.bundle.images.images.get(identity, []):
            at, head = heads[strength.head]
            near = zip(
                model.bundle.neighbours[at, place].tolist(),
                model.bundle.scores[at, place].tolist(),
                strict=True,
            )
            rows.append(
                ImageHead(
                    head=head,
                    strength=strength,
                    near=tuple(Near(pictures[other], score) for other, score in near),
                )
            )
        pages.append(
            Page(
                path=picture.page.path,
                template="image.html",
                title=f"{picture.image.title} in {name}",
                description=f"The heads of {name} that contribute more than usual to the embedding "
                f"of this image ({picture.image.title}), and its nearest neighbours in each.",
                content=ImageContent(
                    model=model,
                    picture=picture,
                    heads=tuple(rows),
                    previous=pictures[place - 1] if place else None,
                    following=pictures[place + 1] if place + 1 < len(pictures) else None,
                ),
                trail=(*trail, Crumb("Images", model.images_page)),
                picture=picture.full,
                citation=cite_model_page(
                    model.record,
                    f"image {identity} ({picture.image.title})",
                    address(base_url, picture.page.path),
                ),
            )
        )
    return pages
