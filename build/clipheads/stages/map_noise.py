"""The stage `map noise`: below which value a heat map of a head says nothing."""

import random
from collections.abc import Iterator

import torch

from clipheads.bundle.head import NOISE_IMAGES, NOISE_QUANTILE
from clipheads.maths.map_noise import noise_level, random_map
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery_pass import patch_contributions
from clipheads.stages.inputs import HEADS, IMAGES, MODEL, basis_of_this_run
from clipheads.stages.sampling import evenly_spread
from clipheads.stages.store import Store, Tensors
from clipheads.stages.texts import DESCRIPTIONS

NOISE_SEED = 0

MAP_NOISE = Tensors("map-noise.safetensors")
"""`noise` [heads] float32, of ⟨c of a patch, t⟩"""


def _make(store: Store) -> None:
    model, heads, files = store.get(MODEL), store.get(HEADS), store.get(IMAGES)
    texts = store.tensor(DESCRIPTIONS, "embeddings")
    basis = store.derived(basis_of_this_run)
    images = evenly_spread(len(files), NOISE_IMAGES)
    draw = random.Random(NOISE_SEED)
    tokens = patch_contributions(
        model, [files[image].path for image in images], heads, batch_size=store.batch_size
    )
    maps = []
    with store.steps(len(images), "images") as advance:
        for own in tokens:
            text = texts[draw.randrange(len(texts))]
            maps.append(random_map(own, torch.einsum("hdr,d->hr", basis, text)))
            advance(1)
    store.write_tensors(MAP_NOISE, {"noise": noise_level(torch.stack(maps), NOISE_QUANTILE)})


def _of_heads(store: Store) -> Iterator[Fields]:
    for level in store.tensor(MAP_NOISE, "noise").tolist():
        # With all its digits: a value may be far below a millionth.
        yield {"map_noise": level}


map_noise = Stage(
    "map noise",
    _make,
    reads=(MODEL, HEADS, IMAGES, DESCRIPTIONS),
    writes=(MAP_NOISE,),
    settings=(
        "bundle.head.NOISE_IMAGES",
        "bundle.head.NOISE_QUANTILE",
        "stages.map_noise.NOISE_SEED",
        "stages.gallery_pass.PATCH_NUMBERS",
    ),
    part=Part(reads=(MAP_NOISE,), heads=_of_heads),
)
