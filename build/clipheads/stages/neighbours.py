"""The stage `neighbours`: for each image the k nearest in each head."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from clipheads.bundle.head import ImageNeighbours
from clipheads.bundle.neighbour import Neighbour
from clipheads.maths.neighbours import image_neighbours
from clipheads.stages.contributions import COORDINATES, strongest_images
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.rounding import rounded
from clipheads.stages.store import Store, Tensors

NEIGHBOURS = 8
SHOWN_WITH_NEIGHBOURS = 6
"""Of a head's strongest images."""

NEIGHBOURS_OF_IMAGES = Tensors("neighbours.safetensors")
"""`images` [heads, images, k], positions, the nearest first; `scores`, their cosines"""


def neighbour_list(images: Sequence[str], positions: Tensor, scores: Tensor) -> list[Neighbour]:
    """The images of a query by name, from their positions [k] and cosines [k]."""
    return [
        Neighbour(image=images[position], score=rounded(score))
        for position, score in zip(positions.tolist(), scores.tolist(), strict=True)
    ]


def _make(store: Store) -> None:
    coordinates = store.tensor(COORDINATES, "coordinates")
    with store.steps(coordinates.shape[1], "heads") as advance:
        positions, cosines = image_neighbours(coordinates, NEIGHBOURS, advance)
    store.write_tensors(NEIGHBOURS_OF_IMAGES, {"images": positions, "scores": cosines})


def _of_heads(store: Store) -> Iterator[Fields]:
    images = image_ids(store)
    positions = store.tensor(NEIGHBOURS_OF_IMAGES, "images")
    cosines = store.tensor(NEIGHBOURS_OF_IMAGES, "scores")
    for head, strongest in enumerate(store.derived(strongest_images)):
        yield {
            "image_neighbours": [
                ImageNeighbours(
                    image=images[image],
                    neighbours=neighbour_list(images, positions[head, image], cosines[head, image]),
                )
                for image in strongest[:SHOWN_WITH_NEIGHBOURS]
            ]
        }


neighbours = Stage(
    "neighbours",
    _make,
    reads=(COORDINATES,),
    writes=(NEIGHBOURS_OF_IMAGES,),
    settings=("stages.neighbours.NEIGHBOURS",),
    part=Part(
        reads=(MANIFEST, COORDINATES, NEIGHBOURS_OF_IMAGES),
        heads=_of_heads,
        settings=("stages.neighbours.SHOWN_WITH_NEIGHBOURS", "stages.contributions.STRONGEST"),
    ),
)
