"""Causal effects and true properties, as the ground truth's page and those of heads show them."""

from dataclasses import dataclass

from clipheads.bundle.ground_truth import CausalEffect, HeadTruth
from clipheads.bundle.label_names import fold_label

GROUP_NAMES = {
    "object": "objects",
    "background": "background",
    "style": "picture style",
    "layout": "layout",
}
"""How the groups are called, in the order of their bars."""


@dataclass(frozen=True, eq=False)
class EffectBar:
    """A causal effect as a bar; positions are percentages of its length."""

    effect: CausalEffect
    name: str
    total_at: float
    first_order_at: float
    low_at: float
    high_at: float


def causal_bars(truth: HeadTruth) -> tuple[EffectBar, ...]:
    """The effects of the groups on a head as bars, in the order of `GROUP_NAMES`.

    The whole length of a bar is 1, the effect of another scene.
    """
    effects = {effect.name: effect for effect in truth.groups}
    return tuple(_bar(effects[name]) for name in GROUP_NAMES)


def is_exact(truth: HeadTruth) -> bool:
    """Whether a head's label is its true property itself, and not a wider one."""
    return None not in (truth.label, truth.property) and fold_label(truth.label or "") == (
        fold_label(truth.property or "")
    )


def _bar(effect: CausalEffect) -> EffectBar:
    def at(value: float) -> float:
        return round(100 * min(1.0, max(0.0, value)), 2)

    return EffectBar(
        effect,
        GROUP_NAMES[effect.name],
        at(effect.total),
        at(effect.first_order or 0.0),
        at(effect.low),
        at(effect.high),
    )
