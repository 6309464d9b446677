"""What a build is given: its inputs, each with the part of it that outputs depend on."""

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from clipheads.bundle.checkpoint import CheckpointRecord
from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.gallery import SkippedImage
from clipheads.bundle.labels import LabelsRecord
from clipheads.bundle.pool import PoolRecord, TopicsRecord
from clipheads.bundle.record import Record
from clipheads.gallery.files import GalleryFile
from clipheads.maths.decomposition import head_basis
from clipheads.model.clip_model import ClipModel
from clipheads.stages.store import Input, Store


@dataclass(frozen=True)
class Gallery:
    """The images of a gallery, before any of them is opened."""

    title: str
    files: list[GalleryFile]
    absent: list[SkippedImage]
    """What the gallery names, but is missing."""


def _whole(record: Record) -> object:
    return record.model_dump(mode="json")


def _listed(gallery: Gallery) -> object:
    files = [
        [file.id, file.file, file.sha256, file.title, file.credit, file.licence, file.source]
        for file in gallery.files
    ]
    return [gallery.title, files, [row.model_dump() for row in gallery.absent]]


def _content(files: list[GalleryFile]) -> object:
    return [[file.id, file.sha256] for file in files]


def _computation(model: ClipModel) -> object:
    """Hash what a model computes with: weights, architecture, preprocessing, tokenizer.

    The last two are tried out on a fixed picture and text, for what they do is not in the
    weights and their code cannot be compared.
    """
    ramp = np.arange(300 * 200 * 3, dtype=np.uint32).reshape(300, 200, 3) * 2654435761 >> 24
    pixels = model.preprocess(Image.fromarray(ramp.astype(np.uint8)))
    tokens = model.tokenize(["A photo of the quick brown fox, 12 o'clock"])
    return sha256_json(
        model.weights.sha256,
        model.architecture.model_dump(mode="json"),
        hashlib.sha256(pixels.numpy().tobytes()).hexdigest(),
        tokens.tolist(),
        model.precision,
    )


GALLERY = Input[Gallery]("gallery", _listed)
IMAGES = Input[list[GalleryFile]]("images", _content)
"""Those of the gallery that can be read, in its order."""
MODEL = Input[ClipModel]("model", _computation)
FACTS = Input[CheckpointRecord]("facts of the model", _whole)
HEADS = Input[list[tuple[int, int]]]("heads", list)
"""(layer, head) of each position on the axis `heads`."""
POOL_GIVEN = Input[PoolRecord]("pool of descriptions", _whole)
POOL_TEXTS = Input[list[str]]("texts of the pool", list)
TOPICS_GIVEN = Input[TopicsRecord]("topics and contrasts", _whole)
PROFILED = Input[list[int]]("images of the profile", list)
"""Their positions in `IMAGES`."""
WORDS = Input[list[tuple[str, str]]]("printed words", list)
"""Each with the text that says it."""
LABELS_GIVEN = Input[LabelsRecord]("labels", _whole)


def basis_of_this_run(store: Store) -> Tensor:
    """The bases of the heads [heads, D, r] as this run finds them, to which its passes belong.

    Another release of torch may find others than those in the bundle.
    """
    layers, heads = zip(*store.get(HEADS), strict=True)
    return head_basis(store.get(MODEL))[list(layers), list(heads)].cpu()
