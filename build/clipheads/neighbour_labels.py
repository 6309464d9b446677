"""The labeller by neighbours: a head's property is what its nearest images have in common.

Each property of the pool is a question with its texts as answers: which of these is closest? The
whole embedding answers it for the images of which it is surest. Then each head is asked how well
its own neighbours tell those answers: whether images that it finds alike were answered alike. The
head bears the property that its neighbours tell best, if they tell it clearly better than the
answers to questions made of about as many texts drawn at random.

So no text wins by the length of its projection, properties of many texts have no advantage, and a
head that tells nothing well has no label: three weaknesses of counting TEXTSPAN's picks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from clipheads.bundle import Label, Labeller
from clipheads.descriptions import Description, fold_label, read_descriptions, texts_sha256
from clipheads.errors import AtlasError
from clipheads.labels import NamedHeads, matching_properties
from clipheads.nearest_votes import balanced_accuracy, gain, told_by_nearest

MARGIN = 0.2
"""By how much a property must be told better than random questions."""

SUREST = 1 / 3
"""Share of the images on which a question is asked: a red wall says nothing of the weather."""

IMAGES = 1000
"""So many images are looked at, spread evenly over a larger gallery."""

RANDOM_QUESTIONS = 40
FLOOR_QUANTILE = 0.95
SEED = 0


@dataclass(frozen=True)
class Told:
    """How well a head's neighbours tell the answers to a question, from guessing (0) to 1."""

    gain: float
    floor: float
    """The 95th percentile over 40 questions of about as many random texts."""

    @property
    def clear(self) -> bool:
        """Whether it is more than random questions would give."""
        return self.gain >= self.floor + MARGIN


def name_heads_by_neighbours(
    heads: Mapping[str, Sequence[Description]], bundle: Path, *, pool: Path
) -> NamedHeads:
    """Label heads by what their nearest images have in common.

    Args:
        heads: for each head, in the order of the bundle, its TEXTSPAN descriptions.
        bundle: folder with the coordinates, bases and text embeddings.
        pool: file of the descriptions with which the bundle was built.

    Raises:
        AtlasError: if the pool is not that of the bundle, or its texts carry no property.
    """
    descriptions = read_descriptions(pool)
    with safe_open(bundle / "descriptions.safetensors", framework="pt") as file:
        texts = file.get_tensor("embeddings")
        built_with = (file.metadata() or {}).get("texts_sha256")
    if len(texts) != len(descriptions):
        raise AtlasError(
            f"{pool}: {len(descriptions)} texts, but {bundle.name} was built with {len(texts)};"
            " give the file of its --descriptions"
        )
    if built_with != texts_sha256([row.text for row in descriptions]):
        raise AtlasError(
            f"{pool}: not the texts that {bundle.name} was built with; give the file of its"
            " --descriptions, or build it again with this one"
        )
    asked = questions(descriptions)
    if not asked:
        raise AtlasError(f"{pool}: no property with two texts, so there is nothing to ask")
    arrays = load_file(bundle / "coordinates.safetensors")
    every = max(1, -(-len(arrays["embeddings"]) // IMAGES))
    told = tell_questions(
        arrays["coordinates"][::every], arrays["embeddings"][::every], texts, asked
    )
    labels = {head: neighbour_label(found) for head, found in zip(heads, told, strict=True)}
    return NamedHeads(labels, matching_properties(labels, heads), neighbour_labeller())


def neighbour_labeller() -> Labeller:
    """Return the record of who named the heads, for the reader."""
    return Labeller(
        kind="neighbours",
        method=(
            "Each property of the pool is a question, which the whole embedding answers by the"
            " closest of its texts. The label is the question whose answers the head’s nearest"
            f" images tell best, if better by {MARGIN:.1f} than {FLOOR_QUANTILE:.0%} of the"
            " questions of about as many random texts."
        ),
    )


def questions(descriptions: Sequence[Description]) -> dict[str, list[int]]:
    """Group the pool's rows by property; a property with a single text asks nothing."""
    groups: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    for row, description in enumerate(descriptions):
        if description.property is not None:
            folded = fold_label(description.property)
            groups.setdefault(names.setdefault(folded, description.property), []).append(row)
    return {name: rows for name, rows in groups.items() if len(rows) > 1}


def tell_questions(
    coordinates: Tensor, embeddings: Tensor, texts: Tensor, asked: Mapping[str, Sequence[int]]
) -> list[dict[str, Told]]:
    """Ask the whole model every question, and every head's neighbours for its answers.

    Args:
        coordinates: [N, heads, r].
        embeddings: [N, D].
        texts: [n, D], embeddings of the pool.
        asked: rows of `texts` by property.

    Returns:
        For each head, how well it tells each property.
    """
    rng = np.random.default_rng(SEED)
    scores = (embeddings - embeddings.mean(dim=0)).float() @ texts.float().T
    answers = {name: _surest(scores[:, list(rows)]) for name, rows in asked.items()}
    random_answers = {
        size: [
            _surest(scores[:, rng.permutation(len(texts))[:size].tolist()])
            for _ in range(RANDOM_QUESTIONS)
        ]
        for size in sorted({_round_up(len(rows)) for rows in asked.values()})
    }
    told = []
    for head in range(coordinates.shape[1]):
        distances = torch.cdist(coordinates[:, head].float(), coordinates[:, head].float())
        distances.fill_diagonal_(torch.inf)
        floors = {
            size: float(np.quantile([_gain(distances, one) for one in some], FLOOR_QUANTILE))
            for size, some in random_answers.items()
        }
        told.append(
            {
                name: Told(_gain(distances, answers[name]), floors[_round_up(len(rows))])
                for name, rows in asked.items()
            }
        )
    return told


def _round_up(size: int) -> int:
    """The next power of two: a few sizes of random questions will do for all properties."""
    return 1 << (size - 1).bit_length()


@dataclass(frozen=True, eq=False)
class _Answers:
    images: Tensor
    """Places of the images of which the model is surest."""
    classes: Tensor
    """Which text is closest to each of them."""
    count: int
    """How many texts there are."""


def _surest(scores: Tensor) -> _Answers:
    """The answers to a question where the best is farthest ahead of the second, [N, texts]."""
    best = scores.topk(2, dim=1)
    ahead = best.values[:, 0] - best.values[:, 1]
    images = ahead.topk(max(1, round(len(scores) * SUREST))).indices
    return _Answers(images, best.indices[images, 0], scores.shape[1])


def _gain(distances: Tensor, answers: _Answers) -> float:
    """How well the images' neighbours among themselves tell the answers; 0 if all are alike."""
    occurring = len(set(answers.classes.tolist()))
    if occurring < 2:
        return 0.0
    among = distances[answers.images][:, answers.images]
    told = told_by_nearest(among, answers.classes, answers.count)
    return gain(balanced_accuracy(told, answers.classes), 1 / occurring)


def neighbour_label(told: Mapping[str, Told]) -> Label:
    """Return the property that is told best of those clearly told, or no label and why."""
    clear = {name: one for name, one in told.items() if one.clear}
    if not clear:
        nearest = max(told, key=lambda name: told[name].gain - told[name].floor)
        return Label(
            text=None,
            confidence=None,
            reason=(
                "No property is told clearly better by the head’s nearest images than random"
                f" questions are; “{nearest}” comes nearest ({told[nearest].gain:.2f} against"
                f" {told[nearest].floor:.2f})."
            ),
        )
    name = max(clear, key=lambda one: clear[one].gain)
    return Label(
        text=name,
        confidence=None,
        reason=(
            f"The head’s nearest images tell “{name}” best: {clear[name].gain:.2f} of the way from"
            f" guessing to knowing, where random questions give {clear[name].floor:.2f}."
        ),
    )
