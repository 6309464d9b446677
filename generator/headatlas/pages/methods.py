"""The methods page: it defines every number in the atlas."""

from dataclasses import dataclass

from clipheads.bundle.answers import MOST_TEXTS
from clipheads.bundle.head import NOISE_IMAGES, NOISE_QUANTILE
from clipheads.bundle.profile import RESAMPLES, ModelProfile
from clipheads.bundle.spread import MOST_BINS
from headatlas import urls
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView

SECTIONS = {
    "decomposition": "An embedding is a sum over heads",
    "shares": "Shares",
    "low-rank": "Low-rank coordinates",
    "textspan": "TEXTSPAN",
    "distribution": "The whole distribution",
    "labels": "Labels",
    "answers": "Evidence for a label",
    "entanglement": "Entanglement score",
    "association": "Association score",
    "consistency": "Concept consistency score",
    "neighbours": "Neighbours",
    "segmentation": "Heat maps",
    "attention": "Attention",
    "outliers": "Outlier tokens",
    "directions": "Singular directions",
    "profile": "What moves a head",
    "relatives": "Similar heads",
    "ablation": "How much a head matters",
    "pictures": "Pictures",
    "limits": "Limits",
    "data": "Data",
    "references": "References",
}
"""Other pages link to these where they use a word that is defined there."""


@dataclass(frozen=True, eq=False)
class MethodsContent:
    """The methods page."""

    models: tuple[ModelView, ...]
    measured: bool
    """Whether the ground truth of a model is known."""
    picks: int
    """Descriptions of a head, of the head that has most."""
    profile: ModelProfile | None
    """Of the first model with a profile, which has the thresholds."""
    resamples: int
    """Bootstrap samples behind each interval of a profile."""
    most_bins: int
    """Of a histogram."""
    most_texts: int
    """Of a property that are answers of their own."""
    noise_images: int
    noise_quantile: float


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    return [
        Page(
            link=urls.METHODS,
            template="methods.html",
            title="Methods",
            description="How the atlas decomposes a CLIP vision transformer into its heads, "
            "describes and labels them, and what its scores mean.",
            content=MethodsContent(
                models=site.models,
                measured=bool(site.measured),
                picks=max(
                    len(head.descriptions) for model in site.models for head in model.bundle.heads
                ),
                profile=next((m.record.profile for m in site.models if m.record.profile), None),
                resamples=RESAMPLES,
                most_bins=MOST_BINS,
                most_texts=MOST_TEXTS,
                noise_images=NOISE_IMAGES,
                noise_quantile=NOISE_QUANTILE,
            ),
            trail=(ATLAS,),
            sections=SECTIONS,
        )
    ]
