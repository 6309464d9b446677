"""What the demo CLIP knows zero-shot, and whether its heads and their descriptions carry it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from clipheads.bundle.ground_truth import Curve, Faithfulness, ZeroShot
from clipheads.demo_world.truth.finished_bundle import FinishedBundle
from clipheads.demo_world.truth.observed_scenes import ObservedScenes
from clipheads.demo_world.world.captions import attribute_texts, scene_facts
from clipheads.demo_world.world.scenes import Scene
from clipheads.demo_world.world.sprites import default_sprites
from clipheads.maths.text_span import textspan
from clipheads.model.clip_model import ClipModel
from clipheads.model.text import embed_texts
from clipheads.truth.faithfulness import (
    HeadOutputs,
    ZeroShotQuestion,
    accuracy,
    accuracy_by_ablation,
    accuracy_by_descriptions,
    importance,
    majority_baseline,
    span_basis,
)

MOST_PICKS = 20
"""Descriptions of each head, up to which accuracy is measured."""

Questions = Mapping[str, ZeroShotQuestion]
"""By attribute."""


def attribute_questions(model: ClipModel, scenes: Sequence[Scene]) -> dict[str, ZeroShotQuestion]:
    """The zero-shot question about each attribute, with the answers that are right for scenes."""
    facts = [scene_facts(scene) for scene in scenes]
    return {
        attribute: ZeroShotQuestion(
            embed_texts(model, list(texts.values())),
            torch.tensor([[(attribute, value) in shown for value in texts] for shown in facts]),
        )
        for attribute, texts in attribute_texts(default_sprites()).items()
    }


def head_outputs(scenes: ObservedScenes, basis: Tensor, heads: Sequence[int]) -> HeadOutputs:
    """What some heads write for scenes, all other terms mean-ablated.

    Args:
        scenes: what all heads write for them.
        basis: [heads, D, r] of all heads.
        heads: indices of the heads.
    """
    indices = list(heads)
    coordinates = scenes.coordinates[:, indices]
    written = torch.einsum("nhr,hdr->nd", coordinates, basis[indices])
    rest = (scenes.embeddings(basis) - written).mean(dim=0)
    return HeadOutputs(coordinates, basis[indices], rest)


def zero_shot(questions: Questions, embeddings: Tensor, heads: HeadOutputs) -> list[ZeroShot]:
    """Zero-shot accuracy of the whole embedding, of the heads alone, and of no image at all.

    Args:
        questions: about some scenes.
        embeddings: of these scenes, [N, D].
        heads: what the heads of the scored layers write for them.
    """
    alone = heads.embeddings()
    return [
        ZeroShot(
            question=attribute,
            accuracy=round(accuracy(embeddings, question), 4),
            heads_alone=round(accuracy(alone, question), 4),
            chance=round(majority_baseline(question), 4),
        )
        for attribute, question in questions.items()
    ]


def faithfulness(
    bundle: FinishedBundle,
    scored: Sequence[int],
    questions: Questions,
    heads: HeadOutputs,
    order: Sequence[int],
) -> Faithfulness:
    """Measure accuracy with fewer descriptions for each head, and with fewer heads.

    Args:
        bundle: whose descriptions are measured.
        scored: indices of the heads of the scored layers in it.
        questions: about the test scenes.
        heads: what the scored heads write for the test scenes.
        order: in which they are ablated, as indices into `scored`.
    """
    names, posed = list(questions), list(questions.values())
    texts = bundle.texts
    projected = [texts @ base for base in heads.basis]

    def curves(descriptions: Sequence[Sequence[int]]) -> list[Curve]:
        by_k = [
            accuracy_by_descriptions(
                heads,
                [
                    span_basis(rows, own, k)
                    for rows, own in zip(projected, descriptions, strict=True)
                ],
                posed,
            )
            for k in range(1, MOST_PICKS + 1)
        ]
        return _curves(names, zip(*by_k, strict=True))

    rng = np.random.default_rng(0)
    drawn = [rng.permutation(len(texts))[:MOST_PICKS].tolist() for _ in scored]
    return Faithfulness(
        by_descriptions=curves([_picks(bundle, head) for head in scored]),
        by_random_texts=curves(drawn),
        untouched=_curves(names, accuracy_by_ablation(heads, [], posed)),
        by_ablation=_curves(names, accuracy_by_ablation(heads, order, posed)),
        ablated=[bundle.heads[scored[head]].id for head in order],
    )


def from_least_important(questions: Questions, heads: HeadOutputs) -> list[int]:
    """Indices of heads in order of importance, judged on other scenes than are reported."""
    return importance(heads, list(questions.values())).argsort().tolist()


def _picks(bundle: FinishedBundle, head: int) -> list[int]:
    """The descriptions of a head in the order of TEXTSPAN, as rows of the pool."""
    picks = textspan(bundle.covariance[head], bundle.texts @ bundle.basis[head], MOST_PICKS)
    return [pick.index for pick in picks]


def _curves(names: Sequence[str], values: Iterable[Iterable[float]]) -> list[Curve]:
    return [
        Curve(name=name, values=[round(value, 4) for value in curve])
        for name, curve in zip(names, values, strict=True)
    ]
