"""The heads of synthetic bundles: records with invented but consistent numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from synthetic_ablation import head_ablation
from synthetic_directions import head_directions
from synthetic_relatives import cka, own_relatives
from synthetic_scenes import COLOURS, GROUNDS, SHAPES, Scene, scene
from synthetic_spread import spread_of

from clipheads.bundle.answers import Answer, LabelAnswers
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.head import (
    AttentionMap,
    DescriptionRecord,
    HeadRecord,
    HeatMap,
    ImageNeighbours,
    ImageShare,
    TopicMaps,
)
from clipheads.bundle.labels import Label
from clipheads.bundle.neighbour import Neighbour
from clipheads.bundle.profile import (
    HeadProfile,
    ModelProfile,
    TransformEffect,
    TransformRecord,
    WordReading,
)

PROPERTIES = (
    ("Objects", SHAPES),
    ("Colours", tuple(COLOURS)),
    ("Patterns", GROUNDS),
    ("Positions", ("left", "right", "top", "bottom")),
    ("Weather", ("sunny", "snowy", "misty")),
    ("Emotions", ("calm", "cheerful", "gloomy")),
)
TOPICS = (
    ("a picture of a boat", "Objects"),
    ("stripes", "Patterns"),
    ("the colour red", "Colours"),
)


@dataclass(frozen=True)
class Numbers:
    """What is computed of all heads of a synthetic model.

    coordinates are images × heads × rank; order and scores are heads × images × 8, the nearest
    neighbours; strength is images × heads, the shares; similarity is heads × heads, their CKA.
    `maps` grows with each heat map.
    """

    scenes: list[Scene]
    ids: list[str]
    grid: tuple[int, int]
    rng: np.random.Generator
    coordinates: NDArray[np.float32]
    order: NDArray[np.int32]
    scores: NDArray[np.float32]
    strength: NDArray[np.float64]
    similarity: NDArray[np.float64]
    maps: list[NDArray[np.float16]] = field(default_factory=list)

    def heat(self, number: int) -> HeatMap:
        """A heat map of the image of this number, strongest where its shape is."""
        self.maps.append(_blob(self.scenes[number], self.grid, self.rng))
        return HeatMap(image=self.ids[number], map=len(self.maps) - 1)


def draw_numbers(
    gallery: GalleryManifest, heads: int, grid: tuple[int, int], rng: np.random.Generator
) -> Numbers:
    """Coordinates that know shape, colour, ground and position, and what follows from them."""
    count = len(gallery.images)
    scenes = [scene(number) for number in range(count)]
    facts = np.array(
        [
            [
                *(3.0 * (what.shape == shape) for shape in SHAPES),
                *(3.0 * (what.colour == colour) for colour in COLOURS),
                *(3.0 * (what.ground == ground) for ground in GROUNDS),
                6 * what.x,
                6 * what.y,
            ]
            for what in scenes
        ]
    )
    coordinates = np.stack(
        [(facts - facts.mean(0)) * rng.uniform(0, 1, facts.shape[1]) ** 3 for _ in range(heads)],
        axis=1,
    ).astype(np.float32)
    unit = coordinates / np.linalg.norm(coordinates, axis=2, keepdims=True)
    nearest = min(8, count - 1)
    cosines = np.einsum("ihr,jhr->hij", unit, unit)
    cosines[:, np.arange(count), np.arange(count)] = -2
    order = np.argsort(-cosines, axis=2, kind="stable")[:, :, :nearest].astype(np.int32)
    scores = np.take_along_axis(cosines, order, axis=2).astype(np.float32)
    strength = 0.02 + 0.012 * rng.standard_normal((count, heads))
    return Numbers(
        scenes=scenes,
        ids=[image.id for image in gallery.images],
        grid=grid,
        rng=rng,
        coordinates=coordinates,
        order=order,
        scores=scores,
        strength=strength,
        similarity=cka(coordinates, coordinates),
    )


def head_record(
    numbers: Numbers,
    position: int,
    *,
    layer: int,
    head: int,
    heads: int,
    variance_share: float,
    profile: ModelProfile,
    picks: int,
    query_images: int,
) -> HeadRecord:
    """The record of the head at this position among all; each layer has so many `heads`."""
    rng, ids, strength = numbers.rng, numbers.ids, numbers.strength
    count, mean = len(ids), strength.mean(0)
    property_of, words = PROPERTIES[int(rng.integers(len(PROPERTIES)))]
    label = None if position % 5 == 1 else property_of
    # Unsorted, as TEXTSPAN leaves them: a later pick can have the larger share.
    shares = rng.dirichlet(np.ones(picks)) * 0.7
    descriptions = []
    for rank in range(picks):
        own = rank % 3 != 2
        other, other_words = PROPERTIES[(position + rank) % len(PROPERTIES)]
        word = words[rank % len(words)] if own else other_words[rank % len(other_words)]
        best = rng.permutation(count)[:8]
        descriptions.append(
            DescriptionRecord(
                text=f"An image of {word} <{rank + 1}>",
                property=property_of if own else other,
                share=float(shares[rank]),
                matches_label=label is not None and own,
                neighbours=[
                    Neighbour(image=ids[i], score=float(0.9 - 0.05 * index))
                    for index, i in enumerate(best)
                ],
                maps=[numbers.heat(int(i)) for i in best[:3]],
            )
        )
    excess = strength[:, position] - mean[position]
    strongest = np.argsort(-excess, kind="stable")[:12]
    return HeadRecord(
        id=f"L{layer}.H{head}",
        layer=layer,
        head=head,
        label=Label(
            text=label,
            confidence=None if label is None else 0.62,
            reason="No property reaches a third of the weight."
            if label is None
            else f"{property_of} holds 62 % of the rank-weighted votes.",
        ),
        variance_share=variance_share,
        mean_share=float(mean[position]),
        explained=float(shares.sum()),
        explained_by_random=0.25,
        explained_by_best=0.97,
        answers=None if label is None else _answers(words, ids, position),
        map_noise=2e-5,
        descriptions=descriptions,
        spread=spread_of(numbers.coordinates[:, position], ids, descriptions),
        strongest=[
            ImageShare(image=ids[i], share=float(strength[i, position]), excess=float(excess[i]))
            for i in strongest
        ],
        # By numbers of its own, so that all others are what they were.
        attention=[
            _attention(np.random.default_rng(position), numbers.grid) for _ in strongest[:6]
        ],
        image_neighbours=[
            ImageNeighbours(
                image=ids[i],
                neighbours=[
                    Neighbour(image=ids[j], score=float(s))
                    for j, s in zip(
                        numbers.order[position, i], numbers.scores[position, i], strict=True
                    )
                ],
            )
            for i in strongest[:query_images]
        ],
        topics=[
            TopicMaps(
                text=text,
                property=topic_property,
                maps=[numbers.heat((7 * k + n) % count) for n in range(3)],
            )
            for k, (text, topic_property) in enumerate(TOPICS)
        ],
        relatives=own_relatives(
            numbers.similarity[position],
            position,
            [f"L{at // heads}.H{at % heads}" for at in range(len(numbers.similarity))],
            [description.text for description in descriptions],
        ),
        ablation=head_ablation(position, len(numbers.similarity), [name for name, _ in PROPERTIES]),
        directions=head_directions(position, words),
        outlier_share=0.25 if position == 2 else 0.01,
        profile=HeadProfile(
            effects=[
                _effect(profile.transforms[k], position == k)
                for k in range(len(profile.transforms))
            ],
            reading=WordReading(
                towards=0.01,
                deviations=0.9,
                beyond=0.8 if position == 2 else 0.1,
                beyond_low=0.6 if position == 2 else -0.1,
                beyond_high=1.0 if position == 2 else 0.3,
                reads=position == 2,
            ),
        ),
    )


def _answers(words: Sequence[str], ids: list[str], position: int) -> LabelAnswers:
    return LabelAnswers(
        considered=len(words) + 1,
        answers=[
            Answer(
                text=f"An image of {word}",
                texts=1 + rank % 2,
                share=0.2 / (1 + rank),
                neighbours=[
                    Neighbour(image=ids[(position + rank + 3 * k) % len(ids)], score=0.8 - 0.05 * k)
                    for k in range(8)
                ],
            )
            for rank, word in enumerate(words[:8])
        ],
    )


def _attention(rng: np.random.Generator, grid: tuple[int, int]) -> AttentionMap:
    own, *patches = rng.dirichlet(np.ones(1 + grid[0] * grid[1])).tolist()
    return AttentionMap(class_token=own, patches=np.reshape(patches, grid).tolist())


def _blob(what: Scene, grid: tuple[int, int], noise: np.random.Generator) -> NDArray[np.float16]:
    rows, columns = np.mgrid[0 : grid[0], 0 : grid[1]]
    distance = ((rows + 0.5) / grid[0] - what.y) ** 2 + ((columns + 0.5) / grid[1] - what.x) ** 2
    values = np.exp(-distance / 0.045) - 0.25 + 0.06 * noise.standard_normal(grid)
    return (0.01 * values).astype(np.float16)


def _effect(transform: TransformRecord, stands_out: bool) -> TransformEffect:
    ratio = 3.0 if stands_out else 0.9
    return TransformEffect(
        transform=transform.name,
        effect=ratio * transform.mean,
        low=0.8 * ratio * transform.mean,
        high=1.25 * ratio * transform.mean,
        ratio=ratio,
        ratio_low=0.8 * ratio,
        ratio_high=1.25 * ratio,
        stands_out=stands_out,
    )
