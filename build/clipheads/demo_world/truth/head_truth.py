"""What moves each head, beside its label, its descriptions and its nearest neighbours."""

from collections.abc import Iterable, Mapping, Sequence

from clipheads.bundle.ground_truth import AnswerTruth, CausalEffect, HeadTruth
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.neighbour import Neighbour
from clipheads.demo_world.truth.causes import Causes, TrueProperty
from clipheads.demo_world.truth.finished_bundle import FinishedBundle
from clipheads.demo_world.truth.interventions import GROUPS
from clipheads.demo_world.truth.label_truth import is_right
from clipheads.demo_world.world.captions import Fact, attribute_texts, scene_facts
from clipheads.demo_world.world.sprites import default_sprites
from clipheads.maths.sensitivity import Index
from clipheads.truth.neighbour_precision import neighbour_precision


def head_truths(
    bundle: FinishedBundle, causes: Causes, truths: Sequence[TrueProperty]
) -> list[HeadTruth]:
    """Put the truth about each head beside what the bundle says of it.

    Args:
        bundle: the bundle of the model.
        causes: the effects of interventions on its heads.
        truths: the true property of each head.
    """
    facts = {
        image: scene_facts(scene) for image, scene in zip(bundle.images, bundle.scenes, strict=True)
    }
    fact_of_text = {
        text: (attribute, value)
        for attribute, texts in attribute_texts(default_sprites()).items()
        for value, text in texts.items()
    }
    rows = []
    for index, (head, truth) in enumerate(zip(bundle.heads, truths, strict=True)):
        label, compared = head.label.text, _compared_attribute(truth)
        precision = neighbour_precision(
            causes.scenes.coordinates[:, index], causes.scenes.attributes[compared]
        )
        rows.append(
            HeadTruth(
                id=head.id,
                variance_share=bundle.model.heads[index].variance_share,
                groups=_group_effects(causes, index),
                attributes=_attribute_effects(causes, truth.group, index),
                property=truth.property,
                label=label,
                right=is_right(label, truth.property, bundle.pool.parents)
                if label is not None and truth.property is not None
                else None,
                hits=[
                    _hits(fact_of_text.get(description.text), description.neighbours, facts)
                    for description in head.descriptions
                ],
                answers=_answers(head, bundle, fact_of_text, facts),
                neighbours=compared,
                neighbour_precision=round(precision, 4),
            )
        )
    return rows


def _answers(
    head: HeadRecord,
    bundle: FinishedBundle,
    fact_of_text: Mapping[str, Fact],
    facts: Mapping[str, frozenset[Fact]],
) -> list[AnswerTruth | None]:
    """For each answer of the label which of its images show it, and how many of the gallery."""
    rows: list[AnswerTruth | None] = []
    for answer in head.answers.answers if head.answers else []:
        texts = {answer.text} | {
            row.text
            for row in bundle.pool.texts
            if answer.texts > 1 and fold_label(row.property or "") == fold_label(answer.text)
        }
        shown = {fact_of_text[text] for text in texts if text in fact_of_text}
        if not shown:
            rows.append(None)
            continue
        rows.append(
            AnswerTruth(
                text=answer.text,
                shows=[not shown.isdisjoint(facts[n.image]) for n in answer.neighbours],
                images=sum(not shown.isdisjoint(own) for own in facts.values()),
            )
        )
    return rows


def _group_effects(causes: Causes, head: int) -> list[CausalEffect]:
    """The effects of all groups on a head, the largest first."""
    return _largest_first(
        _effect(name, effect.total, head, float(effect.first_order.value[head]))
        for name, effect in causes.groups.items()
    )


def _attribute_effects(causes: Causes, group: str, head: int) -> list[CausalEffect]:
    """The effects of a group's attributes on a head, the largest first."""
    return _largest_first(_effect(name, causes.attributes[name], head) for name in GROUPS[group])


def _effect(name: str, total: Index, head: int, first_order: float | None = None) -> CausalEffect:
    return CausalEffect(
        name=name,
        total=round(float(total.value[head]), 4),
        low=round(float(total.low[head]), 4),
        high=round(float(total.high[head]), 4),
        first_order=None if first_order is None else round(first_order, 4),
    )


def _largest_first(effects: Iterable[CausalEffect]) -> list[CausalEffect]:
    return sorted(effects, key=lambda effect: -effect.total)


def _compared_attribute(truth: TrueProperty) -> str:
    """The attribute by which a head's neighbours are compared: scenes rarely share an object."""
    attribute = truth.attribute or truth.group
    return "category" if attribute == "object" else attribute


def _hits(
    fact: Fact | None, images: Sequence[Neighbour], facts: Mapping[str, frozenset[Fact]]
) -> int | None:
    """How many of a description's images show it; None if no single fact is what it says."""
    return None if fact is None else sum(fact in facts[found.image] for found in images)
