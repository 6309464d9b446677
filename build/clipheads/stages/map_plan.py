"""Which heat maps a bundle has: of which text, in which head, over which images."""

from dataclasses import dataclass

from torch import Tensor

from clipheads.bundle.contrast import SHOWN_IMAGES, SHOWN_WITHIN
from clipheads.maths.contrasts import worse_ranks
from clipheads.maths.heat_maps import ContrastRequest, TopicRequest
from clipheads.maths.neighbours import text_neighbours, top_k
from clipheads.stages.contributions import BASIS, COORDINATES
from clipheads.stages.neighbours import NEIGHBOURS
from clipheads.stages.store import Store
from clipheads.stages.text_span import TEXTSPAN
from clipheads.stages.texts import POOL, TEXTS, TOPICS, text_embeddings, text_rows

DESCRIPTION_MAPS = 3
TOPIC_MAPS = 3

READS = (*TEXTS, TEXTSPAN, BASIS, COORDINATES)
SETTINGS = (
    "stages.neighbours.NEIGHBOURS",
    "stages.map_plan.DESCRIPTION_MAPS",
    "stages.map_plan.TOPIC_MAPS",
    "bundle.contrast.SHOWN_IMAGES",
    "bundle.contrast.SHOWN_WITHIN",
)


@dataclass(frozen=True, eq=False)
class MapPlan:
    """All maps, with images, heads and texts by their positions."""

    descriptions: list[list[list[TopicRequest]]]
    """[heads, picks, maps]: over the images nearest to each description."""
    topics: list[list[list[TopicRequest]]]
    """[heads, topics, maps]: over the images of each topic, which are the same for all heads."""
    contrasts: list[list[ContrastRequest]]
    """[contrasts, maps]; they lie behind all maps of descriptions and topics, in this order."""

    def positions(self) -> dict[TopicRequest, int]:
        """Every map of a description or topic, with its position in `heatmaps.safetensors`."""
        found: dict[TopicRequest, int] = {}
        for described, topics in zip(self.descriptions, self.topics, strict=True):
            for group in [*described, *topics]:
                for request in group:
                    found.setdefault(request, len(found))
        return found


def described_images(store: Store) -> list[tuple[Tensor, Tensor]]:
    """For each head the images nearest to each of its picks, [picks, k], and cosines."""
    basis, coordinates = store.tensor(BASIS, "basis"), store.tensor(COORDINATES, "coordinates")
    embeddings = store.derived(text_embeddings)
    return [
        text_neighbours(coordinates[:, head], embeddings[rows] @ basis[head], NEIGHBOURS)
        for head, rows in enumerate(_picked_rows(store))
    ]


def contrast_images(store: Store) -> list[tuple[list[int], list[float]]]:
    """For each contrast the images that are near to both texts, with `worse_ranks`, best first.

    At most `SHOWN_IMAGES` images within `SHOWN_WITHIN`, or else the best image alone.
    """
    rows, embeddings = store.derived(text_rows), store.derived(text_embeddings)
    found = []
    for texts in store.record(TOPICS).contrasts:
        first, second = (_images(store) @ embeddings[rows[text]] for text in texts)
        ranks = worse_ranks(first, second)
        best, negated = top_k(-ranks, SHOWN_IMAGES)
        near = max(1, int((-negated <= SHOWN_WITHIN).sum()))
        found.append((best[:near].tolist(), (-negated[:near]).tolist()))
    return found


def map_plan(store: Store) -> MapPlan:
    """Choose the maps of a bundle."""
    rows = store.derived(text_rows)
    given = store.record(TOPICS)
    topics = [rows[topic.text] for topic in given.topics]
    over = _topic_images(store, topics).tolist()
    contrasts = [(rows[first], rows[second]) for first, second in given.contrasts]
    nearest = [positions[:, :DESCRIPTION_MAPS] for positions, _ in store.derived(described_images)]
    return MapPlan(
        descriptions=[
            [
                [TopicRequest(image, head, row) for image in images]
                for row, images in zip(picked, nearest[head].tolist(), strict=True)
            ]
            for head, picked in enumerate(_picked_rows(store))
        ],
        topics=[
            [
                [TopicRequest(image, head, row) for image in images]
                for row, images in zip(topics, over, strict=True)
            ]
            for head in range(len(nearest))
        ],
        contrasts=[
            [ContrastRequest(image, first, second) for image in images]
            for (first, second), (images, _) in zip(
                contrasts, store.derived(contrast_images), strict=True
            )
        ],
    )


def _picked_rows(store: Store) -> list[list[int]]:
    """For each head the rows of its picks in `text_embeddings`."""
    texts, rows = store.record(POOL).texts, store.derived(text_rows)
    return [
        [rows[texts[pick.index].text] for pick in picks]
        for picks in store.record(TEXTSPAN).root.values()
    ]


def _topic_images(store: Store, topics: list[int]) -> Tensor:
    """For each topic the images of highest cosine in the joint embedding, [topics, 3]."""
    return top_k(store.derived(text_embeddings)[topics] @ _images(store).T, TOPIC_MAPS)[0]


def _images(store: Store) -> Tensor:
    return store.tensor(COORDINATES, "embeddings")
