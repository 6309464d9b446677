"""What moves each head: the causal effects of what scenes show, by intervention.

The *true property* of a head is the group of `interventions.GROUPS` with the largest total effect,
if it clearly leads, and within it the attribute whose change moves the head farthest, if that
clearly leads too. Otherwise the head is mixed. Properties have the names of the demo pool's
taxonomy, so that they compare with labels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from clipheads.demo_world.truth.interventions import GROUPS, changed_scenes, paired_scenes
from clipheads.demo_world.truth.observed_scenes import ObservedScenes, observe_scenes
from clipheads.demo_world.world.captions import PROPERTY_OF_ATTRIBUTE
from clipheads.demo_world.world.scenes import Scene, sample_scene
from clipheads.maths.sensitivity import Index, Sensitivity, change_effect, leads, sensitivity
from clipheads.model.clip_model import ClipModel

LEAD = 1.25
"""An effect leads if it is so many times the second in 97.5% of the bootstrap resamples."""

PROPERTY_OF_GROUP = {
    "object": "object",
    "background": "background",
    "style": PROPERTY_OF_ATTRIBUTE["style"],
    "layout": "layout",
}
"""Names of the groups in the taxonomy of the demo pool."""

SEEDS_OF_CHANGES = 50_000
"""Seeds between the first pair of scenes and the first scene of which an attribute is changed."""


@dataclass(frozen=True, eq=False)
class Causes:
    """The effects of groups and attributes on the heads of a model; tensors are [heads]."""

    groups: dict[str, Sensitivity]
    attributes: dict[str, Index]
    variance: Tensor
    """Var y of each head over the scenes."""
    scenes: ObservedScenes
    """The scenes A and B of all pairs."""
    passed_over: int
    """Pairs of scenes that were skipped, because some group could not be exchanged."""


@dataclass(frozen=True)
class TrueProperty:
    """What moves a head most."""

    group: str
    """The group with the largest total effect."""
    second: str
    """The one after it."""
    attribute: str | None
    """The attribute within the group whose change moves the head farthest, if it has any."""
    property: str | None
    """Name of what leads in the taxonomy; None for a mixed head."""


def measure_causes(
    model: ClipModel,
    first_seed: int,
    pairs: int,
    changes: int,
    advance: Callable[[int], None] = lambda _scenes: None,
) -> Causes:
    """Intervene on scenes and measure how far each head is moved.

    Args:
        model: a model of the demo world.
        first_seed: scenes are drawn from here on.
        pairs: scenes whose groups are replaced.
        changes: scenes of which an attribute is changed, for each attribute.
        advance: receives the number of scenes observed.
    """
    drawn, passed_over = paired_scenes(first_seed, pairs, sample_scene)
    base = observe_scenes(model, [scene for a, b, _ in drawn for scene in (a, b)], advance)
    first, second = base.coordinates[0::2], base.coordinates[1::2]
    mixed = {
        group: observe_scenes(model, [scenes[group] for _, _, scenes in drawn], advance).coordinates
        for group in GROUPS
    }
    variance = _variance(base.coordinates)
    attributes = {}
    for attribute in (name for names in GROUPS.values() for name in names):
        before, after = zip(
            *changed_scenes(first_seed + SEEDS_OF_CHANGES, attribute, changes, sample_scene),
            strict=True,
        )
        attributes[attribute] = change_effect(
            _coordinates(model, before, advance), _coordinates(model, after, advance), variance
        )
    return Causes(sensitivity(first, second, mixed), attributes, variance, base, passed_over)


def scenes_needed(pairs: int, changes: int) -> int:
    """How many scenes `measure_causes` observes."""
    return pairs * (2 + len(GROUPS)) + 2 * changes * sum(len(names) for names in GROUPS.values())


def true_properties(
    groups: Mapping[str, Index], attributes: Mapping[str, Index]
) -> list[TrueProperty]:
    """The true property of each head, with the largest effects.

    Args:
        groups: the total effects of all groups.
        attributes: the effects of all attributes.
    """
    return [
        _true_property(groups, attributes, head)
        for head in range(len(next(iter(groups.values())).value))
    ]


def _true_property(
    groups: Mapping[str, Index], attributes: Mapping[str, Index], head: int
) -> TrueProperty:
    def ordered(names: Iterable[str], effects: Mapping[str, Index]) -> list[str]:
        return sorted(names, key=lambda name: -float(effects[name].value[head]))

    def ahead(first: Index, second: Index) -> bool:
        return bool(leads(first, second, LEAD)[head])

    first, second, *_ = ordered(groups, groups)
    within = ordered(GROUPS[first], attributes)
    attribute = within[0] if within else None
    if not ahead(groups[first], groups[second]):
        return TrueProperty(first, second, attribute, None)
    leading = PROPERTY_OF_GROUP[first]
    if attribute and ahead(attributes[attribute], attributes[within[1]]):
        # Another object of the same category, or of another one: both are objects.
        leading = PROPERTY_OF_ATTRIBUTE.get(attribute, leading)
    return TrueProperty(first, second, attribute, leading)


def _coordinates(
    model: ClipModel, scenes: Sequence[Scene], advance: Callable[[int], None]
) -> Tensor:
    return observe_scenes(model, scenes, advance).coordinates


def _variance(coordinates: Tensor) -> Tensor:
    """Var y of each head, the trace of the covariance of [N, heads, r]."""
    y = coordinates.double()
    variance: Tensor = (y - y.mean(dim=0)).square().sum(dim=2).sum(dim=0) / (len(y) - 1)
    return variance
