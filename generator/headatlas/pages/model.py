"""A model's page: its heads by layer and property, its scores, and what each layer contributes."""

from collections.abc import Mapping
from dataclasses import dataclass

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.model import Term
from headatlas.citations import of_model
from headatlas.pages.markdown_twin import model_twin
from headatlas.pages.metrics import Metric
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.profile import EFFECT_SCALE, EffectMap, EffectScale, effect_maps
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView
from headatlas.pictures import tiles
from headatlas.pictures.colourings import LETTERS, steps
from headatlas.pictures.scatter import axis


@dataclass(frozen=True, eq=False)
class LayerTerms:
    """The terms that one layer writes."""

    layer: int
    attention: Term
    mlp: Term


@dataclass(frozen=True, eq=False)
class Colouring:
    """A metric by which the grid can be coloured."""

    letter: str
    """In the classes of its option and of its cells."""
    metric: Metric
    lowest: str
    highest: str
    """As printed."""
    logarithmic: bool
    """Whether equal steps of colour are equal ratios."""


@dataclass(frozen=True, eq=False)
class ModelContent:
    """A model's page."""

    model: ModelView
    gallery: GalleryManifest
    colourings: dict[str, list[Colouring]]
    """By the group of their metrics."""
    shades: tuple[str, ...]
    """Of each head, in order: the classes of its cell that colour it by a metric."""
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
    coloured = dict(zip(LETTERS, model.metrics, strict=False))
    reference = of_model(record, "heads")
    return Page(
        link=model.page,
        template="model.html",
        title=record.name,
        description=f"The {len(model.heads)} attention heads of {record.name}, by layer and "
        "property, with entanglement and association scores.",
        content=ModelContent(
            model=model,
            gallery=site.gallery,
            colourings=_colourings(coloured),
            shades=_shades(coloured),
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
        files={model.tiles.link: _tiles(model)},
        reference=reference,
        twin=model_twin(model, reference),
    )


def _colourings(coloured: Mapping[str, Metric]) -> dict[str, list[Colouring]]:
    groups: dict[str, list[Colouring]] = {}
    for letter, metric in coloured.items():
        ranked = sorted(
            (value, text)
            for value, text in zip(metric.rounded, metric.printed, strict=True)
            if value is not None
        )
        scale = axis([value for value, _ in ranked])
        colouring = Colouring(letter, metric, ranked[0][1], ranked[-1][1], scale.logarithmic)
        groups.setdefault(metric.group, []).append(colouring)
    return groups


def _shades(coloured: Mapping[str, Metric]) -> tuple[str, ...]:
    classes = [
        [None if step is None else f"k{letter}{step}" for step in steps(metric.rounded)]
        for letter, metric in coloured.items()
    ]
    return tuple(" ".join(filter(None, of_head)) for of_head in zip(*classes, strict=True))


def _tiles(model: ModelView) -> bytes:
    return tiles.draw(
        model.tiles,
        [
            [model.folder / f"{top.image}.webp" for top in record.strongest]
            for record in model.bundle.heads
        ],
    )
