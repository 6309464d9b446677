"""The stages `text encoder` and `image encoder`: the model for the visitor's browser, as ONNX."""

import torch

from clipheads.browser.encoders import export_image_encoder, export_text_encoder
from clipheads.browser.search_files import FOLDER, encoder_file
from clipheads.stages.contributions import BASIS, COORDINATES
from clipheads.stages.engine import Stage
from clipheads.stages.gallery_pass import batches
from clipheads.stages.inputs import HEADS, IMAGES, MODEL, POOL_TEXTS
from clipheads.stages.projections import OF_FIDELITY, OF_ONNX
from clipheads.stages.sampling import evenly_spread
from clipheads.stages.store import File, Store
from clipheads.stages.texts import DESCRIPTIONS

FIDELITY_TEXTS = 256
FIDELITY_IMAGES = 64
"""On so many, evenly spread, the error of an exported encoder is measured."""

TEXT_ENCODER = File(f"{FOLDER}/{encoder_file('text')}")
IMAGE_ENCODER = File(f"{FOLDER}/{encoder_file('image')}")

_SETTINGS = (
    *OF_ONNX,
    "browser.onnx_graph.STORAGES",
    "browser.fidelity.MAX_ENCODER_ERROR",
    *OF_FIDELITY,
)


def _export_text_encoder(store: Store) -> None:
    model, texts = store.get(MODEL), store.get(POOL_TEXTS)
    sample = evenly_spread(len(texts), FIDELITY_TEXTS)
    with store.steps(1, "files") as advance:
        export_text_encoder(
            model,
            model.tokenize([texts[row] for row in sample]),
            store.tensor(DESCRIPTIONS, "embeddings")[sample],
            store.tensor(BASIS, "basis"),
            store.tensor(COORDINATES, "coordinates"),
            store.new(TEXT_ENCODER.path),
        )
        advance(1)


def _export_image_encoder(store: Store) -> None:
    model, files = store.get(MODEL), store.get(IMAGES)
    images = [files[position].path for position in evenly_spread(len(files), FIDELITY_IMAGES)]
    with store.steps(1, "files") as advance:
        export_image_encoder(
            model,
            sorted({layer for layer, _ in store.get(HEADS)}),
            store.tensor(BASIS, "basis"),
            torch.cat(list(batches(model, images, store.batch_size))),
            store.tensor(COORDINATES, "coordinates"),
            store.new(IMAGE_ENCODER.path),
        )
        advance(1)


text_encoder = Stage(
    "text encoder",
    _export_text_encoder,
    reads=(MODEL, POOL_TEXTS, DESCRIPTIONS, BASIS, COORDINATES),
    writes=(TEXT_ENCODER,),
    settings=("stages.encoders.FIDELITY_TEXTS", *_SETTINGS),
    optional=True,
)

image_encoder = Stage(
    "image encoder",
    _export_image_encoder,
    reads=(MODEL, IMAGES, HEADS, BASIS, COORDINATES),
    writes=(IMAGE_ENCODER,),
    settings=("stages.encoders.FIDELITY_IMAGES", *_SETTINGS),
    optional=True,
)
