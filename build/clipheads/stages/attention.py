"""The stage `attention`: where the class token of each head looks in the head's top images."""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.head import AttentionMap
from clipheads.maths.attention import class_token_attention
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.contributions import COORDINATES, strongest_images
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery_pass import batches
from clipheads.stages.inputs import HEADS, IMAGES, MODEL
from clipheads.stages.rounding import rounded
from clipheads.stages.store import Store, Tensors

ATTENDED_IMAGES = 6
"""Of a head's strongest images."""
SHARD_ATTENDED_IMAGES = 256

ATTENTION = Tensors("attention.safetensors")
"""`weights` [heads, strongest images, tokens] float32, the class token first"""


def _make(store: Store) -> None:
    model, heads, files = store.get(MODEL), store.get(HEADS), store.get(IMAGES)
    strongest = [images[:ATTENDED_IMAGES] for images in store.derived(strongest_images)]
    wanted: dict[int, list[tuple[int, int]]] = {}
    for head, images in enumerate(strongest):
        for rank, image in enumerate(images):
            wanted.setdefault(image, []).append((head, rank))
    size, ordered = SHARD_ATTENDED_IMAGES, sorted(wanted)
    parts = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    rows, columns = model.architecture.grid
    weights = torch.zeros(len(heads), len(strongest[0]), 1 + rows * columns)
    with store.steps(len(ordered), "images") as advance:

        def make(index: int, path: Path) -> None:
            found: list[Tensor] = []
            for pixels in batches(
                model, [files[image].path for image in parts[index]], store.batch_size
            ):
                attention = class_token_attention(model, pixels, heads).cpu()
                for own in attention:
                    pairs = wanted[parts[index][len(found)]]
                    found.append(own[[head for head, _ in pairs]])
            save_tensors(path, {"weights": torch.cat(found)})

        for index, path in store.shards(len(parts), make):
            pairs = [pair for image in parts[index] for pair in wanted[image]]
            at_heads, at_ranks = zip(*pairs, strict=True)
            weights[list(at_heads), list(at_ranks)] = load_file(path)["weights"]
            advance(len(parts[index]))
    store.write_tensors(ATTENTION, {"weights": weights})


def _of_heads(store: Store) -> Iterator[Fields]:
    rows, columns = store.record(CHECKPOINT).architecture.grid
    for weights in store.tensor(ATTENTION, "weights").tolist():
        yield {
            "attention": [
                AttentionMap(
                    class_token=rounded(own),
                    patches=[
                        [rounded(weight) for weight in patches[start : start + columns]]
                        for start in range(0, rows * columns, columns)
                    ],
                )
                for own, *patches in weights
            ]
        }


attention = Stage(
    "attention",
    _make,
    reads=(MODEL, HEADS, IMAGES, COORDINATES),
    writes=(ATTENTION,),
    settings=(
        "stages.attention.ATTENDED_IMAGES",
        "stages.attention.SHARD_ATTENDED_IMAGES",
        "stages.contributions.STRONGEST",
    ),
    part=Part(reads=(CHECKPOINT, ATTENTION), heads=_of_heads),
)
