"""The home page: the models, how to read a head, and the gallery."""

from dataclasses import dataclass

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.head import DescriptionRecord, HeadRecord
from headatlas import urls
from headatlas.citations import Reference
from headatlas.pages.page import Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, HeatMapView, ModelView, Picture
from headatlas.urls import Link

SHOWN_PICTURES = 12
SHOWN_DESCRIPTIONS = 3
SHOWN_TOP_IMAGES = 6


@dataclass(frozen=True, eq=False)
class Example:
    """The head that explains on the home page how to read an atlas."""

    model: ModelView
    head: HeadView
    record: HeadRecord
    descriptions: tuple[tuple[DescriptionRecord, tuple[HeatMapView, ...]], ...]
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
    measured: bool
    """Whether the ground truth of a model is known."""
    example: Example
    gallery: GalleryManifest
    pictures: tuple[Picture, ...]
    credits: tuple[tuple[str, str, int], ...]
    """Credit line, licence and number of images, the most frequent first."""


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    counts: dict[tuple[str, str], int] = {}
    for image in site.gallery.images:
        key = (image.credit, image.licence)
        counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    example = _example(site.models)
    count = sum(len(model.heads) for model in site.models)
    built = {model.record.name for model in site.models}
    published = site.published.models
    return [
        Page(
            link=urls.HOME,
            template="home.html",
            title="CLIP Head Atlas",
            description=f"What each of {count} attention heads of CLIP’s vision transformers "
            "responds to: descriptions, images, heat maps and scores, one citable page for every "
            "head.",
            content=HomeContent(
                models=site.models,
                published=tuple(
                    (model.facts.model, model.page, len(model.heads))
                    for model in published
                    if model.facts.model not in built
                ),
                published_heads=sum(len(model.heads) for model in published),
                published_models=len(published),
                measured=bool(site.measured),
                example=example,
                gallery=site.gallery,
                pictures=tuple(site.models[0].pictures.values())[:SHOWN_PICTURES],
                credits=tuple((credit, licence, n) for (credit, licence), n in ranked),
            ),
            sections={
                "models": "Models",
                "published": "Published labels",
                **({"truth": "Ground truth"} if site.measured else {}),
                "read": "How to read a head",
                "gallery": "Gallery",
            },
            reference=Reference("attention heads of CLIP's vision transformers"),
            picture=example.strongest[0].full if example.strongest else None,
        )
    ]


def _example(models: tuple[ModelView, ...]) -> Example:
    """The head with the most descriptions that match its label; of those, the weightiest."""
    candidates = [
        (sum(d.matches_label for d in record.descriptions), head.summary.variance_share, model, i)
        for model in models
        for i, (head, record) in enumerate(zip(model.heads, model.bundle.heads, strict=True))
    ]
    _, _, model, index = max(candidates, key=lambda candidate: candidate[:2])
    record = model.bundle.heads[index]
    return Example(
        model=model,
        head=model.heads[index],
        record=record,
        descriptions=tuple(
            (description, model.heat(description.maps))
            for description in record.descriptions[:SHOWN_DESCRIPTIONS]
        ),
        strongest=tuple(model.pictures[s.image] for s in record.strongest[:SHOWN_TOP_IMAGES]),
    )
