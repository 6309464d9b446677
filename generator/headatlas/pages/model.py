"""A model's page: its heads by layer and property, its scores, and what each layer contributes."""

from dataclasses import dataclass

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.model import Term
from headatlas.citations import of_model
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.profile import EFFECT_SCALE, EffectMap, EffectScale, effect_maps
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView


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
    """The last layer first."""
    effects: tuple[EffectMap, ...]
    """What moves the heads; empty if no profile was made."""
    effect_scale: EffectScale
    published: int
    """Heads of this model whose label the paper's authors published."""

    @property
    def largest_share(self) -> float:
        """The largest share of variance of a head."""
        return max(head.summary.variance_share for head in self.model.heads)

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest end of the bars of all terms, on one scale with zero."""
        terms = [self.input]
        terms += [term for row in self.layers for term in (row.attention, row.mlp)]
        values = [value for term in terms for value in (term.variance_share, term.mean_share)]
        return min(0.0, *values), max(values)


def pages(site: SiteView) -> list[Page]:
    """A page for each model that was built."""
    return [_page(model, site) for model in site.models]


def _page(model: ModelView, site: SiteView) -> Page:
    record = model.record
    terms: dict[tuple[str, int | None], Term] = {(t.kind, t.layer): t for t in record.terms}
    effects = effect_maps(model.bundle.heads, record.profile)
    return Page(
        link=model.page,
        template="model.html",
        title=record.name,
        description=f"The {len(model.heads)} attention heads of {record.name}, by layer and "
        "property, with entanglement and association scores.",
        content=ModelContent(
            model=model,
            gallery=site.gallery,
            input=terms["input", None],
            layers=tuple(
                LayerTerms(layer, terms["attention", layer], terms["mlp", layer])
                for layer in reversed(range(record.architecture.layers))
            ),
            effects=effects,
            effect_scale=EFFECT_SCALE,
            published=len(site.published_labels(model)),
        ),
        trail=(ATLAS,),
        sections={
            "heads": "Heads by layer and property",
            **({"profile": "What moves the heads"} if effects else {}),
            "scores": "Scores",
            "terms": "Contributions by layer",
            "properties": "Properties",
            "contrasts": "Contrasts",
            "facts": "Model and data",
        },
        reference=of_model(record, "heads"),
    )
