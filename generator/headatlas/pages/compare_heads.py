"""Any two heads side by side; without a script, the most similar pairs of heads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from clipheads.bundle.relatives import HeadRelatives, Relative
from headatlas import urls
from headatlas.pages.page import ATLAS, Crumb, Page
from headatlas.pages.relatives import pair_fragment
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, ModelView
from headatlas.urls import Link

PAIRS = 8
"""Pairs in a list. Each is among the first relatives of one of its heads, of which records have
six: a pair that is not has six closer ones with either head, and so at least eleven before it."""


@dataclass(frozen=True, eq=False)
class PairView:
    """Two similar heads."""

    first: HeadView
    second: HeadView
    record: Relative
    """How the second compares with the first."""
    fragment: str


@dataclass(frozen=True, eq=False)
class PairsView:
    """The most similar pairs of heads of a model, or of two models."""

    first: ModelView
    second: ModelView
    pairs: tuple[PairView, ...]


@dataclass(frozen=True, eq=False)
class CompareHeadsContent:
    """The page."""

    models: tuple[ModelView, ...]
    data: Link
    """What the page's script has to know of the models."""
    within: tuple[PairsView, ...]
    across: tuple[PairsView, ...]
    """Of every two models that were compared."""


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    content = CompareHeadsContent(
        models=site.models,
        data=urls.COMPARE_HEADS_DATA,
        within=tuple(_within(model) for model in site.models),
        across=tuple(
            _across(first, second)
            for first, second in combinations(site.models, 2)
            if second.record.name in first.bundle.relatives
        ),
    )
    return [
        Page(
            link=urls.COMPARE_HEADS,
            template="compare_heads.html",
            title="Compare two heads",
            description="Any two attention heads of this atlas side by side: how similar they are, "
            "and their labels, descriptions, images and causal profiles.",
            content=content,
            trail=(ATLAS, Crumb("Compare", urls.COMPARE)),
            sections={
                "side-by-side": "Two heads side by side",
                "within": "The most similar heads of one model",
                **({"across": "The most similar heads of two models"} if content.across else {}),
            },
            files={urls.COMPARE_HEADS_DATA: _data(site)},
        )
    ]


def _within(model: ModelView) -> PairsView:
    relatives = {head.id: head.relatives for head in model.bundle.heads}
    return PairsView(model, model, _closest(model, model, relatives))


def _across(first: ModelView, second: ModelView) -> PairsView:
    relatives = first.bundle.relatives[second.record.name].heads
    return PairsView(first, second, _closest(first, second, relatives))


def _closest(
    first: ModelView, second: ModelView, relatives: Mapping[str, HeadRelatives]
) -> tuple[PairView, ...]:
    heads = {head.summary.id: head for head in first.heads}
    others = {head.summary.id: head for head in second.heads}
    found: dict[tuple[str, str], Relative] = {}
    for head, own in relatives.items():
        for relative in own.by_cka:
            # Within a model each pair is met from either side.
            if first is not second or (relative.head, head) not in found:
                found[head, relative.head] = relative
    closest = sorted(found.items(), key=lambda item: -item[1].cka)[:PAIRS]
    return tuple(
        PairView(
            first=heads[head],
            second=others[other],
            record=relative,
            fragment=pair_fragment(first.record.name, head, second.record.name, other),
        )
        for (head, other), relative in closest
    )


def _data(site: SiteView) -> bytes:
    """The names of models and heads, and what `head.json` leaves to the record of the model."""
    models = [
        {
            "name": model.record.name,
            "images": model.record.relatives.images,
            "median": model.record.relatives.median,
            "high": model.record.relatives.high,
            "heads": [[head.summary.id, head.summary.label] for head in model.heads],
            "changes": {
                transform.name: transform.title
                for transform in (model.record.profile.transforms if model.record.profile else ())
            },
        }
        for model in site.models
    ]
    return json.dumps({"models": models}, ensure_ascii=False, separators=(",", ":")).encode()
