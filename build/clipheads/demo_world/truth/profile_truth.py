"""Whether the causal profile, which needs no ground truth, finds the heads of each property."""

from collections.abc import Sequence

from clipheads.bundle.ground_truth import HeadTruth, ProfileAgreement, ProfileCorrelation
from clipheads.demo_world.truth.causes import PROPERTY_OF_GROUP
from clipheads.demo_world.truth.finished_bundle import FinishedBundle
from clipheads.truth.profile_agreement import profile_agreement, rank_correlations


def profile_truths(
    bundle: FinishedBundle, heads: Sequence[HeadTruth]
) -> tuple[list[ProfileAgreement], list[ProfileCorrelation]]:
    """Compare the effects of transforms of pictures with those of interventions on scenes.

    Args:
        bundle: with the profile of each head, or without any.
        heads: what moves each head of the bundle.

    Returns:
        Agreement with the true properties and correlation with the effects of the groups; both
        empty for a bundle without a profile.
    """
    if bundle.model.profile is None:
        return [], []
    transforms = [transform.name for transform in bundle.model.profile.transforms]
    effects = {
        head.id: {
            transform: effect.effect
            for transform, effect in zip(transforms, head.profile.effects, strict=True)
        }
        for head in bundle.heads
        if head.profile is not None
    }
    if not effects:
        return [], []
    properties = {
        head.id: None if head.property is None else PROPERTY_OF_GROUP[head.groups[0].name]
        for head in heads
    }
    totals = {
        head.id: {PROPERTY_OF_GROUP[effect.name]: effect.total for effect in head.groups}
        for head in heads
    }
    return profile_agreement(effects, properties), rank_correlations(effects, totals)
