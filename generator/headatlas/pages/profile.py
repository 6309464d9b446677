"""What the pages show of the causal profile: bars on a head's page, small maps on its model's."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipheads.bundle.head import HeadRecord
from clipheads.bundle.profile import (
    HeadProfile,
    ModelProfile,
    TransformEffect,
    TransformRecord,
    WordReading,
)


@dataclass(frozen=True)
class EffectScale:
    """How cells of effect maps are coloured; styles `.e0`, `.e1`, … have the colours."""

    full: int
    """From so many times the mean over all heads on, a cell has the strongest colour."""
    levels: int
    """Steps of colour above none."""


EFFECT_SCALE = EffectScale(full=4, levels=9)
NAMED_HEADS = 6
"""Of the heads that stand out under a transform, so many are named below its map."""
STRONGEST = 3
"""Transforms that the first screen of a head's page shows: those of the largest ratio."""
LEAST_SCALE = 1.1
"""The scale of the bars always has room for 1, the effect of another picture."""


@dataclass(frozen=True, eq=False)
class EffectRow:
    """A transform on a head's page; positions are percentages of the bar's length."""

    transform: TransformRecord
    effect: TransformEffect
    first_of_group: bool
    value_at: float
    low_at: float
    high_at: float
    mean_at: float


@dataclass(frozen=True, eq=False)
class HeadProfileView:
    """What moves one head."""

    rows: tuple[EffectRow, ...]
    one_at: float
    """Where the effect 1 lies on every bar, in percent."""
    standing_out: tuple[EffectRow, ...]
    """Largest ratio first."""
    reading: WordReading
    facts: ModelProfile

    @property
    def strongest(self) -> tuple[EffectRow, ...]:
        """The few transforms that move it most against the mean head, largest ratio first."""
        return tuple(sorted(self.rows, key=lambda row: -row.effect.ratio)[:STRONGEST])


@dataclass(frozen=True, eq=False)
class EffectMap:
    """All heads of a model, coloured by the effect of one transform."""

    transform: TransformRecord
    first_of_group: bool
    paths: tuple[tuple[int, str], ...]
    """Level of colour, 0 to 9, and the outline of all cells that have it: a column a head, a row
    a layer, the last layer on top."""
    standing_out: tuple[tuple[HeadRecord, TransformEffect], ...]
    """The first few, largest ratio first."""
    more: int
    """How many others stand out."""


def head_profile_view(
    profile: HeadProfile | None, facts: ModelProfile | None
) -> HeadProfileView | None:
    """The profile as the head's page shows it; None if it was not made."""
    if profile is None or facts is None:
        return None
    pairs = list(zip(facts.transforms, profile.effects, strict=True))
    scale = max(LEAST_SCALE, *(max(effect.high, transform.mean) for transform, effect in pairs))
    rows = tuple(
        EffectRow(
            transform=transform,
            effect=effect,
            first_of_group=i == 0 or facts.transforms[i - 1].group != transform.group,
            value_at=_percent(effect.effect, scale),
            low_at=_percent(effect.low, scale),
            high_at=_percent(effect.high, scale),
            mean_at=_percent(transform.mean, scale),
        )
        for i, (transform, effect) in enumerate(pairs)
    )
    standing = sorted(
        (row for row in rows if row.effect.stands_out), key=lambda row: -row.effect.ratio
    )
    return HeadProfileView(rows, _percent(1, scale), tuple(standing), profile.reading, facts)


def effect_maps(heads: Sequence[HeadRecord], facts: ModelProfile | None) -> tuple[EffectMap, ...]:
    """A map of all heads for each transform; none if the profile was not made."""
    if facts is None:
        return ()
    top = max(head.layer for head in heads)
    maps = []
    for i, transform in enumerate(facts.transforms):
        profiled = [(head, head.profile.effects[i]) for head in heads if head.profile]
        cells: dict[int, list[str]] = {}
        for head, effect in profiled:
            corner = f"M{head.head} {top - head.layer}"
            cells.setdefault(level(effect.ratio), []).append(f"{corner}h.92v.92h-.92z")
        standing = sorted(
            ((head, effect) for head, effect in profiled if effect.stands_out),
            key=lambda pair: -pair[1].ratio,
        )
        maps.append(
            EffectMap(
                transform=transform,
                first_of_group=i == 0 or facts.transforms[i - 1].group != transform.group,
                paths=tuple((step, "".join(cells[step])) for step in sorted(cells)),
                standing_out=tuple(standing[:NAMED_HEADS]),
                more=max(0, len(standing) - NAMED_HEADS),
            )
        )
    return tuple(maps)


def level(ratio: float) -> int:
    """The step of a cell's colour for an effect of `ratio` times the mean over all heads."""
    share = min(1.0, max(0.0, ratio) / EFFECT_SCALE.full)
    return round(EFFECT_SCALE.levels * share)


def _percent(value: float, scale: float) -> float:
    return round(100 * min(1.0, max(0.0, value) / scale), 2)
