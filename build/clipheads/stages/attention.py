"""The stage `attention`: where the class token looks in heads' top images, and at outliers."""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.head import AttentionMap
from clipheads.bundle.outliers import ModelOutliers
from clipheads.maths.attention import read_tokens, write_products
from clipheads.maths.outliers import outlier_patches, read_from
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
OUTLIERS = Tensors("outliers.safetensors")
"""Over all these images, of any head: `shares` [heads] of what a head reads that come from outlier
tokens; `counts` of them [images]; `longest` [images], the longest stream over the median"""


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
    products = write_products(model.tower)
    read = torch.zeros(2, len(heads), dtype=torch.float64)
    counts, longest = [], []
    with store.steps(len(ordered), "images") as advance:

        def make(index: int, path: Path) -> None:
            found: list[Tensor] = []
            own_read = torch.zeros(2, len(heads), dtype=torch.float64)
            patches: list[Tensor] = []
            for pixels in batches(
                model, [files[image].path for image in parts[index]], store.batch_size
            ):
                reading = read_tokens(model, pixels, heads, products)
                lengths = reading.lengths[:, 1:]
                outliers = torch.nn.functional.pad(outlier_patches(lengths), (1, 0))
                own_read += torch.stack(read_from(reading.parts, outliers)).cpu()
                median = lengths.median(-1).values.clamp(min=1e-12)
                patches.append(torch.stack([outliers.sum(1), lengths.amax(1) / median]).cpu())
                for own in reading.weights.cpu():
                    pairs = wanted[parts[index][len(found)]]
                    found.append(own[[head for head, _ in pairs]])
            save_tensors(
                path,
                {
                    "weights": torch.cat(found),
                    "read": own_read,
                    "patches": torch.cat(patches, dim=1),
                },
            )

        for index, path in store.shards(len(parts), make):
            pairs = [pair for image in parts[index] for pair in wanted[image]]
            at_heads, at_ranks = zip(*pairs, strict=True)
            shard = load_file(path)
            weights[list(at_heads), list(at_ranks)] = shard["weights"]
            read += shard["read"]
            counts.append(shard["patches"][0].int())
            longest.append(shard["patches"][1])
            advance(len(parts[index]))
    store.write_tensors(ATTENTION, {"weights": weights})
    shares = torch.where(read[1] > 0, read[0] / read[1].clamp(min=1e-300), 0.0)
    store.write_tensors(
        OUTLIERS,
        {"shares": shares, "counts": torch.cat(counts), "longest": torch.cat(longest)},
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    rows, columns = store.record(CHECKPOINT).architecture.grid
    pairs = zip(
        store.tensor(ATTENTION, "weights").tolist(),
        store.tensor(OUTLIERS, "shares").tolist(),
        strict=True,
    )
    for weights, share in pairs:
        yield {
            "outlier_share": rounded(share),
            "attention": [
                AttentionMap(
                    class_token=rounded(own),
                    patches=[
                        [rounded(weight) for weight in patches[start : start + columns]]
                        for start in range(0, rows * columns, columns)
                    ],
                )
                for own, *patches in weights
            ],
        }


def _of_model(store: Store) -> Fields:
    rows, columns = store.record(CHECKPOINT).architecture.grid
    counts, longest = store.tensor(OUTLIERS, "counts"), store.tensor(OUTLIERS, "longest")
    return {
        "outliers": ModelOutliers(
            images=len(counts),
            with_outliers=int((counts > 0).sum()),
            patches=len(counts) * rows * columns,
            outliers=int(counts.sum()),
            longest=rounded(float(longest.max())),
        )
    }


attention = Stage(
    "attention",
    _make,
    reads=(MODEL, HEADS, IMAGES, COORDINATES),
    writes=(ATTENTION, OUTLIERS),
    settings=(
        "stages.attention.ATTENDED_IMAGES",
        "stages.attention.SHARD_ATTENDED_IMAGES",
        "stages.contributions.STRONGEST",
        "maths.outliers.TIMES",
        "maths.outliers.DEVIATIONS",
        "maths.outliers.NORMAL",
    ),
    version=2,
    part=Part(reads=(CHECKPOINT, ATTENTION, OUTLIERS), heads=_of_heads, model=_of_model),
)
