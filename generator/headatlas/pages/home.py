"""The home page: a picture of the atlas, what it found, how to read a head, and the models."""

from dataclasses import dataclass

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.head import DescriptionRecord, HeadRecord
from headatlas import urls
from headatlas.citations import Reference
from headatlas.pages.findings import Finding, findings
from headatlas.pages.page import Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, HeatMapView, ModelView, Picture
from headatlas.pictures.causal_bars import is_exact
from headatlas.urls import Link

SHOWN_PICTURES = 12
SHOWN_DESCRIPTIONS = 3
SHOWN_TOP_IMAGES = 6
SHOWN_FINDINGS = 4


@dataclass(frozen=True, eq=False)
class Example:
    """The head that explains on the home page how to read an atlas."""

    model: ModelView
    head: HeadView
    record: HeadRecord
    descriptions: tuple[tuple[DescriptionRecord, tuple[HeatMapView, ...]], ...]
    strongest: tuple[Picture, ...]
    matching: int
    """How many of the descriptions match the label."""
    correct: bool
    """Whether interventions find the property that the label names."""


@dataclass(frozen=True, eq=False)
class HomeContent:
    """The home page."""

    models: tuple[ModelView, ...]
    findings: tuple[Finding, ...]
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
                findings=findings(site, SHOWN_FINDINGS),
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
                "found": "What it found",
                "read": "How to read a head",
                "models": "Models",
                "published": "Published labels",
                **({"truth": "Ground truth"} if site.measured else {}),
                "gallery": "Gallery",
                "sources": "Papers and code",
            },
            reference=Reference("attention heads of CLIP's vision transformers"),
            picture=example.strongest[0].full if example.strongest else None,
        )
    ]


def _example(models: tuple[ModelView, ...]) -> Example:
    """The head whose label is best supported by what the page shows of it.

    In this order: its label is correct by intervention, more of the descriptions shown match it,
    the labeller is more confident, the head contributes more of the variance.
    """

    def support(model: ModelView, index: int) -> tuple[float, ...]:
        record = model.bundle.heads[index]
        shown = record.descriptions[:SHOWN_DESCRIPTIONS]
        return (
            _is_correct(model, record),
            sum(description.matches_label for description in shown),
            record.label.confidence or 0.0,
            record.variance_share,
        )

    candidates = [(model, index) for model in models for index in range(len(model.heads))]
    model, index = max(candidates, key=lambda candidate: support(*candidate))
    record = model.bundle.heads[index]
    descriptions = record.descriptions[:SHOWN_DESCRIPTIONS]
    return Example(
        model=model,
        head=model.heads[index],
        record=record,
        descriptions=tuple(
            (description, model.heat(description.maps)) for description in descriptions
        ),
        strongest=tuple(model.pictures[s.image] for s in record.strongest[:SHOWN_TOP_IMAGES]),
        matching=sum(description.matches_label for description in descriptions),
        correct=_is_correct(model, record),
    )


def _is_correct(model: ModelView, record: HeadRecord) -> bool:
    """Whether the label is the head's true property itself."""
    truths = model.bundle.truth.heads if model.bundle.truth else []
    return any(truth.id == record.id and truth.right and is_exact(truth) for truth in truths)
