"""What ablating the heads of synthetic bundles does: invented, but each number fits the others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clipheads.bundle.ablation import (
    Estimate,
    HeadAblation,
    ModelAblation,
    Question,
    QuestionAblation,
)

CLEAR = 4.0
IMAGES = 100


def changed_answers(heads: int, questions: int) -> NDArray[np.float64]:
    """Share of the answers that change, [heads, questions]; the last head does nothing."""
    head, question = np.mgrid[0:heads, 0:questions]
    shares = 0.02 + 0.03 * ((head + question) % 3) + 0.3 * (head == question)
    shares[-1] = 0
    return shares


def model_ablation(properties: Sequence[str]) -> ModelAblation:
    """How the heads of a synthetic model were ablated."""
    return ModelAblation(
        questions=[Question(property=name, texts=8, margin=0.03) for name in properties],
        question_images=IMAGES,
        mean_images=64,
        patched_images=8,
        norm_error=0.04,
        clear=CLEAR,
    )


def head_ablation(position: int, heads: int, properties: Sequence[str]) -> HeadAblation:
    """What ablating the head at this position does."""
    shares = changed_answers(heads, len(properties))
    mean, own = shares.mean(0), shares[position]
    error = np.sqrt(mean * (1 - mean) / IMAGES)
    scores = np.divide(own - mean, error, out=np.zeros_like(mean), where=error > 0)
    idle = position == heads - 1
    direct, ratio, kept = 0.001 * (1 + position), 0.5 + position, 0.9 - 0.2 * position
    return HeadAblation(
        answers_changed=_around(float(own.mean())),
        questions=[
            QuestionAblation(
                property=properties[at],
                changed=float(own[at]),
                mean=float(mean[at]),
                score=float(scores[at]),
                margin_lost=float(own[at]) / 2 - 0.02,
            )
            for at in np.argsort(-scores, kind="stable")
        ],
        direct=_around(0 if idle else direct),
        total=_around(0 if idle else direct * ratio),
        ratio=None if idle else _around(ratio),
        kept=None if idle else _around(kept),
        direct_changed=0 if idle else 0.1,
        total_changed=0 if idle else 0.15,
    )


def _around(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.2 * abs(value), high=value + 0.2 * abs(value))
