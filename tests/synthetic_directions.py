"""The singular directions of synthetic heads: invented, but their shares and fidelities fit."""

from collections.abc import Sequence

from clipheads.bundle.directions import ModelDirections, Pole, SingularDirection, WeightedText

HIGH = 0.3


def model_directions() -> ModelDirections:
    """The yardstick of a synthetic model."""
    return ModelDirections(texts=3498, samples=256, random=0.25, high=HIGH)


def head_directions(position: int, words: Sequence[str]) -> list[SingularDirection]:
    """Two directions: the first is described at both poles, the second only at one."""
    first, second, *_ = words
    return [
        SingularDirection(
            share=0.4,
            positive=_pole(first, 0.5 + 0.01 * (position % 40)),
            negative=_pole(second, 0.4),
        ),
        SingularDirection(
            share=0.2, positive=_pole(second, 0.35), negative=Pole(texts=[], fidelity=0.0)
        ),
    ]


def _pole(word: str, fidelity: float) -> Pole:
    texts = [
        WeightedText(text=f"{kind} {word}", property=None, weight=weight)
        for kind, weight in (("a big", 0.4), ("a small", 0.2))
    ]
    return Pole(texts=texts, fidelity=fidelity)
