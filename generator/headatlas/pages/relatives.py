"""The relatives of a head on its page: similar heads of its model and of the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipheads.bundle.relatives import HeadRelatives, ModelRelatives, Relative
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, ModelView, Picture

PICTURES = 3
"""Top images that are shown of a relative."""
OWN_BY_DESCRIPTIONS = 4
"""Relatives in the own model, by descriptions; all are shown by CKA."""
IN_ANOTHER_MODEL = 3
"""Relatives in another model, by CKA; one more has the most overlap of descriptions."""


@dataclass(frozen=True, eq=False)
class RelativeView:
    """A similar head, as the page of the other shows it."""

    model: ModelView
    head: HeadView
    record: Relative
    pictures: tuple[Picture, ...]
    pair: str
    """Both heads, in the fragment of the page that sets two heads side by side."""


@dataclass(frozen=True, eq=False)
class OtherModelView:
    """The relatives of a head in another model."""

    model: ModelView
    median: float | None
    relatives: tuple[RelativeView, ...]


@dataclass(frozen=True, eq=False)
class RelativesView:
    """All relatives of a head."""

    facts: ModelRelatives
    median: float | None
    by_cka: tuple[RelativeView, ...]
    by_descriptions: tuple[RelativeView, ...]
    others: tuple[OtherModelView, ...]
    not_compared: tuple[ModelView, ...]
    """Models of the atlas with which the head's was not compared."""

    @property
    def close(self) -> int:
        """How many relatives of the own model have a CKA that few pairs of its heads reach."""
        high = self.facts.high
        return sum(high is not None and one.record.cka > high for one in self.by_cka)


def pair_fragment(model: str, head: str, other_model: str, other: str) -> str:
    """Two heads in the fragment of the page that sets them side by side.

    >>> pair_fragment("demo-clip", "L5.H2", "demo-clip", "L4.H3")
    'a=demo-clip/L5.H2&b=demo-clip/L4.H3'
    """
    # Of the signs that a model's name can have, only this one means another in a fragment.
    return f"a={model}/{head}&b={other_model}/{other}".replace("+", "%2B")


def relatives_views(site: SiteView) -> Callable[[ModelView, int], RelativesView]:
    """Return what gives the relatives of the head at a position of a model."""
    positions = {
        model.record.name: {head.summary.id: at for at, head in enumerate(model.heads)}
        for model in site.models
    }

    def views(
        model: ModelView, identity: str, other: ModelView, relatives: Sequence[Relative]
    ) -> tuple[RelativeView, ...]:
        own, theirs = model.record.name, other.record.name
        found = []
        for relative in relatives:
            at = positions[theirs][relative.head]
            strongest = other.bundle.heads[at].strongest[:PICTURES]
            found.append(
                RelativeView(
                    model=other,
                    head=other.heads[at],
                    record=relative,
                    pictures=tuple(other.pictures[share.image] for share in strongest),
                    pair=pair_fragment(own, identity, theirs, relative.head),
                )
            )
        return tuple(found)

    def of_head(model: ModelView, position: int) -> RelativesView:
        record = model.bundle.heads[position]
        own = record.relatives
        compared = [other for other in site.models if other.record.name in model.bundle.relatives]
        others = []
        for other in compared:
            there = model.bundle.relatives[other.record.name].heads[record.id]
            shown = views(model, record.id, other, _in_another_model(there))
            others.append(OtherModelView(other, there.median, shown))
        said = own.by_descriptions[:OWN_BY_DESCRIPTIONS]
        return RelativesView(
            facts=model.record.relatives,
            median=own.median,
            by_cka=views(model, record.id, model, own.by_cka),
            by_descriptions=views(model, record.id, model, [one for one in said if one.texts > 0]),
            others=tuple(others),
            not_compared=tuple(
                other for other in site.models if other is not model and other not in compared
            ),
        )

    return of_head


def _in_another_model(relatives: HeadRelatives) -> list[Relative]:
    """The most similar heads, and the one whose descriptions overlap most if it is none of them."""
    shown = relatives.by_cka[:IN_ANOTHER_MODEL]
    names = {relative.head for relative in shown}
    first = relatives.by_descriptions[:1]
    return [*shown, *(one for one in first if one.texts > 0 and one.head not in names)]
