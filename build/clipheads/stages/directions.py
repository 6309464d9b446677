"""The stage `directions`: what each head can write, from its weights and the pool alone."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.bundle.directions import ModelDirections, Pole, SingularDirection, WeightedText
from clipheads.bundle.pool import PoolText
from clipheads.maths.coherent_pursuit import centred_texts, describe
from clipheads.maths.directions import orient, singular_directions, value_output_factors
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.inputs import HEADS, MODEL
from clipheads.stages.rounding import rounded
from clipheads.stages.store import Store, Tensors
from clipheads.stages.texts import DESCRIPTIONS, POOL

SINGULAR_DIRECTIONS = 5
"""Of each head."""
RANDOM_DIRECTIONS = 256
"""Drawn evenly from all directions of the embedding, as a yardstick."""
HIGH = 0.95
"""Quantile of their fidelity above which a direction counts as described."""
DESCRIBED_AT_ONCE = 512

DIRECTIONS = Tensors("directions.safetensors")
"""`vectors` [heads, directions, D], unit rows; `shares` [heads, directions]; of both poles,
the positive one first, `texts` and `weights` [heads, directions, 2, SPARSITY], text -1 where there
is none, and `fidelity` [heads, directions, 2]; `random` [RANDOM_DIRECTIONS], fidelities"""


def _make(store: Store) -> None:
    heads, per_layer = store.get(HEADS), store.get(MODEL).architecture.heads
    reads, writes = value_output_factors(store.get(MODEL).tower)
    texts = centred_texts(store.tensor(DESCRIPTIONS, "embeddings").float())
    vectors, shares = [], []
    described: list[tuple[Tensor, ...]] = []
    with store.steps(len(heads), "heads") as advance:
        for layer, head in heads:
            row = layer * per_layer + head
            found = singular_directions(reads[row], writes[row])
            own = found.vectors[:SINGULAR_DIRECTIONS].float()
            vectors.append(orient(own, texts))
            shares.append(found.shares[:SINGULAR_DIRECTIONS])
            advance(1)
        directions = torch.stack(vectors)
        poles = torch.stack([directions, -directions], dim=2)
        for some in torch.split(poles.flatten(0, 2), DESCRIBED_AT_ONCE):
            described.append(describe(some, texts))
    indices, weights, fidelity = map(torch.cat, zip(*described, strict=True))
    shape = poles.shape[:3]
    rng = torch.Generator().manual_seed(0)
    random = normalize(torch.randn(RANDOM_DIRECTIONS, texts.shape[1], generator=rng), dim=-1)
    store.write_tensors(
        DIRECTIONS,
        {
            "vectors": directions,
            "shares": torch.stack(shares),
            "texts": indices.int().reshape(*shape, -1),
            "weights": weights.reshape(*shape, -1),
            "fidelity": fidelity.reshape(shape),
            "random": describe(random, texts).fidelity,
        },
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    texts = store.record(POOL).texts
    parts = (store.tensor(DIRECTIONS, name) for name in ("shares", "texts", "weights", "fidelity"))
    for shares, indices, weights, fidelity in zip(*parts, strict=True):
        yield {
            "directions": [
                SingularDirection(
                    share=rounded(float(shares[rank])),
                    positive=_pole(texts, indices[rank, 0], weights[rank, 0], fidelity[rank, 0]),
                    negative=_pole(texts, indices[rank, 1], weights[rank, 1], fidelity[rank, 1]),
                )
                for rank in range(len(shares))
            ]
        }


def _pole(texts: list[PoolText], indices: Tensor, weights: Tensor, fidelity: Tensor) -> Pole:
    listed = sorted(
        (
            (weight, texts[index])
            for index, weight in zip(indices.tolist(), weights.tolist(), strict=True)
            if index >= 0 and rounded(weight) > 0
        ),
        key=lambda pair: -pair[0],
    )
    return Pole(
        texts=[
            WeightedText(text=text.text, property=text.property, weight=rounded(weight))
            for weight, text in listed
        ],
        fidelity=rounded(float(fidelity)),
    )


def _of_model(store: Store) -> Fields:
    random = store.tensor(DIRECTIONS, "random")
    return {
        "directions": ModelDirections(
            texts=len(store.record(POOL).texts),
            samples=len(random),
            random=rounded(float(random.mean())),
            high=rounded(float(random.quantile(HIGH))),
        )
    }


directions = Stage(
    "directions",
    _make,
    reads=(MODEL, HEADS, DESCRIPTIONS),
    writes=(DIRECTIONS,),
    settings=(
        "stages.directions.SINGULAR_DIRECTIONS",
        "stages.directions.RANDOM_DIRECTIONS",
        "stages.directions.DESCRIBED_AT_ONCE",
        "maths.coherent_pursuit.SPARSITY",
        "maths.coherent_pursuit.COHERENCE",
        "maths.coherent_pursuit.AWAY",
    ),
    part=Part(
        reads=(POOL, DIRECTIONS),
        heads=_of_heads,
        model=_of_model,
        settings=("stages.directions.HIGH",),
    ),
)
