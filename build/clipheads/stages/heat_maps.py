"""The stage `heat maps`: where in its images each head finds each text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.contrast import ContrastHead, ContrastMap, ContrastRecord
from clipheads.bundle.head import DescriptionRecord, HeatMap, TopicMaps
from clipheads.bundle.names import head_id
from clipheads.bundle.slugs import unique_slugs
from clipheads.maths.contrasts import shares_along
from clipheads.maths.heat_maps import TopicRequest, draw_maps
from clipheads.maths.neighbours import top_k
from clipheads.stages import map_plan as plan
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.contributions import BASIS, COORDINATES
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.gallery_pass import patch_contributions
from clipheads.stages.inputs import HEADS, IMAGES, MODEL, basis_of_this_run
from clipheads.stages.labels import LABELS
from clipheads.stages.map_plan import contrast_images, described_images, map_plan
from clipheads.stages.neighbours import neighbour_list
from clipheads.stages.rounding import rounded
from clipheads.stages.store import Store, Tensors
from clipheads.stages.text_span import TEXTSPAN
from clipheads.stages.texts import POOL, TOPICS, text_embeddings, text_rows

SHARD_MAPPED_IMAGES = 64
CONTRAST_HEADS = 8

HEAT_MAPS = Tensors("heatmaps.safetensors")
"""`maps` [maps, rows, columns] float16"""


def _make(store: Store) -> None:
    model, heads, files = store.get(MODEL), store.get(HEADS), store.get(IMAGES)
    wanted = store.derived(map_plan)
    topics = list(wanted.positions())
    contrasts = [request for group in wanted.contrasts for request in group]
    over = [request.image for request in topics] + [request.image for request in contrasts]
    images = sorted(set(over))
    size = SHARD_MAPPED_IMAGES
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    grid = model.architecture.grid
    maps = torch.zeros(len(over), *grid, dtype=torch.float16)
    with store.steps(len(images), "images") as advance:

        def patches(positions: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
            paths = [files[position].path for position in positions]
            tokens = patch_contributions(model, paths, heads, batch_size=store.batch_size)
            return zip(positions, tokens, strict=True)

        def make(index: int, path: Path) -> None:
            some = set(parts[index])
            drawn = draw_maps(
                [request for request in topics if request.image in some],
                [request for request in contrasts if request.image in some],
                texts=store.derived(text_embeddings),
                basis=store.derived(basis_of_this_run),
                grid=grid,
                patches=patches,
            )
            save_tensors(path, {"maps": drawn})

        for index, path in store.shards(len(parts), make):
            some = set(parts[index])
            own = [position for position, image in enumerate(over) if image in some]
            maps[own] = load_file(path)["maps"]
            advance(len(parts[index]))
    store.write_tensors(HEAT_MAPS, {"maps": maps})


def _of_heads(store: Store) -> Iterator[Fields]:
    images, labels = image_ids(store), store.record(LABELS).heads
    texts, topics = store.record(POOL).texts, store.record(TOPICS).topics
    wanted = store.derived(map_plan)
    positions = wanted.positions()

    def maps(requests: Sequence[TopicRequest]) -> list[HeatMap]:
        return [
            HeatMap(image=images[request.image], map=positions[request]) for request in requests
        ]

    for index, (head, picks) in enumerate(store.record(TEXTSPAN).root.items()):
        nearest, cosines = store.derived(described_images)[index]
        yield {
            "descriptions": [
                DescriptionRecord(
                    text=texts[pick.index].text,
                    property=texts[pick.index].property,
                    share=rounded(pick.share),
                    matches_label=labels[head].matches[rank],
                    neighbours=neighbour_list(images, nearest[rank], cosines[rank]),
                    maps=maps(wanted.descriptions[index][rank]),
                )
                for rank, pick in enumerate(picks)
            ],
            "topics": [
                TopicMaps(text=topic.text, property=topic.property, maps=maps(requests))
                for topic, requests in zip(topics, wanted.topics[index], strict=True)
            ],
        }


def _of_model(store: Store) -> Fields:
    images, contrasts = image_ids(store), store.record(TOPICS).contrasts
    position = len(store.derived(map_plan).positions())
    texts = [f"{first} minus {second}" for first, second in contrasts]
    records = []
    for (first, second), slug, (shown, ranks) in zip(
        contrasts,
        unique_slugs((text, text) for text in texts),
        store.derived(contrast_images),
        strict=True,
    ):
        maps = [
            ContrastMap(image=images[image], map=position + index, rank=rounded(rank))
            for index, (image, rank) in enumerate(zip(shown, ranks, strict=True))
        ]
        position += len(maps)
        records.append(
            ContrastRecord(
                slug=slug,
                first=first,
                second=second,
                maps=maps,
                heads=_heads_along(store, first, second),
            )
        )
    return {"contrasts": records}


def _heads_along(store: Store, first: str, second: str) -> list[ContrastHead]:
    """The heads that tell two texts apart most."""
    rows, embeddings = store.derived(text_rows), store.derived(text_embeddings)
    basis = store.tensor(BASIS, "basis")
    direction = embeddings[rows[first]] - embeddings[rows[second]]
    shares = shares_along(
        store.tensor(COORDINATES, "coordinates"),
        torch.einsum("hdr,d->hr", basis, direction.to(basis)),
        store.tensor(COORDINATES, "embeddings") @ direction,
    )
    positions, values = top_k(shares, CONTRAST_HEADS)
    heads = store.record(CHECKPOINT).heads
    return [
        ContrastHead(head=head_id(*heads[position]), share=rounded(share))
        for position, share in zip(positions.tolist(), values.tolist(), strict=True)
    ]


heat_maps = Stage(
    "heat maps",
    _make,
    reads=(MODEL, HEADS, IMAGES, *plan.READS),
    writes=(HEAT_MAPS,),
    settings=(
        *plan.SETTINGS,
        "stages.heat_maps.SHARD_MAPPED_IMAGES",
        "stages.gallery_pass.PATCH_NUMBERS",
    ),
    version=2,
    part=Part(
        reads=(CHECKPOINT, MANIFEST, LABELS, HEAT_MAPS, *plan.READS),
        heads=_of_heads,
        model=_of_model,
        settings=(
            *plan.SETTINGS,
            "stages.heat_maps.CONTRAST_HEADS",
            "bundle.slugs.MAX_LENGTH",
        ),
    ),
)
