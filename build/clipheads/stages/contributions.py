"""The stage `contributions`: the contribution of every head for every image, in one pass."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from clipheads.bundle.head import ImageShare
from clipheads.bundle.model import Term
from clipheads.maths.decomposition import precision_error
from clipheads.maths.moments import TermMoments, split_terms
from clipheads.maths.neighbours import top_k
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.gallery_pass import (
    batches,
    contribute,
    load_contributions,
    merge,
    save_contributions,
    statistics,
    term_statistics,
)
from clipheads.stages.inputs import HEADS, IMAGES, MODEL, basis_of_this_run
from clipheads.stages.rounding import rounded
from clipheads.stages.store import Store, Tensors

SHARD_IMAGES = 256
PRECISION_IMAGES = 32
"""On so many images the error of a lower precision is measured."""
STRONGEST = 12

BASIS = Tensors("basis.safetensors")
"""`basis` [heads, D, r]"""
COORDINATES = Tensors("coordinates.safetensors")
"""`coordinates` [images, heads, r], `shares` <c, f/|f|> [images, heads], `embeddings`
[images, D]"""
STATISTICS = Tensors("statistics.safetensors")
"""Moments in float64: `mean`, `covariance` [heads, r, r], `count`, those of all terms"""


def excess(store: Store) -> Tensor:
    """Each share minus the head's mean share over the gallery, [images, heads]."""
    shares = store.tensor(COORDINATES, "shares").double()
    return (shares - shares.mean(dim=0)).float()


def strongest_images(store: Store) -> list[list[int]]:
    """For each head the images whose share stands out most from its mean, [heads, STRONGEST]."""
    columns = store.derived(excess).unbind(dim=1)
    return [top_k(column, STRONGEST)[0].tolist() for column in columns]


def _make(store: Store) -> None:
    model, heads = store.get(MODEL), store.get(HEADS)
    paths = [file.path for file in store.get(IMAGES)]
    parts = [paths[start : start + SHARD_IMAGES] for start in range(0, len(paths), SHARD_IMAGES)]
    with store.steps(len(paths), "images") as advance:
        made: set[int] = set()

        def make(index: int, path: Path) -> None:
            found = contribute(
                model, parts[index], heads, batch_size=store.batch_size, advance=advance
            )
            save_contributions(path, found)
            made.add(index)

        def shards() -> Iterator[Path]:
            # Another release of torch may find another basis, to which kept shards do not belong.
            for index, path in store.shards(len(parts), make, also=torch.__version__):
                if index not in made:
                    advance(len(parts[index]))
                yield path

        found = merge((load_contributions(path) for path in shards()), len(paths))
    error = 0.0
    if model.precision != "fp32":
        (pixels,) = batches(model, paths[:PRECISION_IMAGES], PRECISION_IMAGES)
        error = precision_error(model, pixels)
    store.write_tensors(BASIS, {"basis": store.derived(basis_of_this_run)})
    store.write_tensors(STATISTICS, statistics(found) | {"precision_error": torch.tensor(error)})
    store.write_tensors(
        COORDINATES,
        {
            "coordinates": found.coordinates,
            "shares": found.shares,
            "embeddings": found.embeddings,
        },
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    record = store.record(CHECKPOINT)
    terms, shape = _terms_of(store), (record.architecture.layers, record.architecture.heads)
    _, mean_shares, _ = split_terms(terms.mean_share, *shape)
    _, variance_shares, _ = split_terms(terms.variance_share, *shape)
    images, shares = image_ids(store), store.tensor(COORDINATES, "shares")
    more, strongest = store.derived(excess), store.derived(strongest_images)
    for position, head in enumerate(record.heads):
        yield {
            "variance_share": rounded(float(variance_shares[head])),
            "mean_share": rounded(float(mean_shares[head])),
            "strongest": [
                ImageShare(
                    image=images[image],
                    share=rounded(float(shares[image, position])),
                    excess=rounded(float(more[image, position])),
                )
                for image in strongest[position]
            ],
        }


def _of_model(store: Store) -> Fields:
    architecture = store.record(CHECKPOINT).architecture
    return {
        "terms": _terms(_terms_of(store), architecture.layers, architecture.heads),
        "reconstruction_error": float(store.tensor(STATISTICS, "reconstruction_error")),
        "precision_error": float(store.tensor(STATISTICS, "precision_error")),
    }


def _terms_of(store: Store) -> TermMoments:
    return term_statistics(store.tensors(STATISTICS))


def _terms(moments: TermMoments, layers: int, heads: int) -> list[Term]:
    """List the 2L + 1 terms of the residual stream in the order in which they are added."""
    shares, variances = (
        split_terms(values, layers, heads)
        for values in (moments.mean_share, moments.variance_share)
    )
    terms = [_term("input", None, shares[0], variances[0])]
    for layer in range(layers):
        terms += [
            _term("attention", layer, shares[1][layer].sum(), variances[1][layer].sum()),
            _term("mlp", layer, shares[2][layer], variances[2][layer]),
        ]
    return terms


def _term(
    kind: Literal["input", "attention", "mlp"], layer: int | None, mean: Tensor, variance: Tensor
) -> Term:
    return Term(
        kind=kind,
        layer=layer,
        mean_share=rounded(float(mean)),
        variance_share=rounded(float(variance)),
    )


contributions = Stage(
    "contributions",
    _make,
    reads=(MODEL, IMAGES, HEADS),
    writes=(BASIS, COORDINATES, STATISTICS),
    settings=("stages.contributions.SHARD_IMAGES", "stages.contributions.PRECISION_IMAGES"),
    part=Part(
        reads=(CHECKPOINT, MANIFEST, COORDINATES, STATISTICS),
        heads=_of_heads,
        model=_of_model,
        settings=("stages.contributions.STRONGEST",),
    ),
)
