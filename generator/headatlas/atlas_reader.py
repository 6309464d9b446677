"""Reads an atlas from disk; refuses one that is missing, stale, damaged or of another format."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from clipheads.bundle import (
    FORMAT,
    RESERVED_NAMES,
    GalleryManifest,
    GroundTruthRecord,
    HeadRecord,
    HeatMap,
    ImagesRecord,
    ModelRecord,
    Record,
)
from clipheads.errors import BundleError
from clipheads.progress import Progress, Silent

AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """Everything that the site shows of one model."""

    record: ModelRecord
    heads: tuple[HeadRecord, ...]
    """In the order of `record.heads`."""
    images: ImagesRecord
    neighbours: NDArray[np.int32]
    """[heads, images, k]: positions in the gallery, the nearest first."""
    scores: NDArray[np.float32]
    """[heads, images, k]: their cosines."""
    maps: NDArray[np.float32]
    """[maps, rows, columns]: ⟨c of the patch, text⟩, so that a patch token's value is its part of
    the head's. The bundle stores tokens × that, which half precision holds better."""
    truth: GroundTruthRecord | None = None
    """Of a model of the demo world: what is known to be true."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """A gallery and the models that were built over it."""

    folder: Path
    gallery: GalleryManifest
    models: tuple[ModelBundle, ...]


def read_atlas(folder: Path, progress: Progress | None = None) -> Atlas:
    """Read the gallery and every finished model below `folder`, sorted by name.

    A model folder without `model.json` is a build under way, and one over another gallery
    waits to be built again: both are left out with a note, as long as a model remains.
    Raises BundleError, in one line that says what to do.
    """
    progress = progress or Silent()
    found = sorted(path for path in folder.glob("*") if path.is_dir() and path.name != "gallery")
    finished = [path for path in found if (path / "model.json").is_file()]
    if not finished:
        raise BundleError(
            f"{folder}: no finished atlas here; run `head-atlas demo`, or `head-atlas build` "
            "with your model and gallery"
        )
    gallery = _read_record(folder / "gallery" / "manifest.json", GalleryManifest)
    for image in gallery.images:
        if not (folder / "gallery" / f"{image.id}.webp").is_file():
            raise BundleError(
                f"{folder / 'gallery' / image.id}.webp: missing, but named in the gallery's "
                "manifest; rebuild the gallery with `head-atlas build`"
            )
    models = []
    left_out = [f"{path}: its build is not finished" for path in found if path not in finished]
    with progress.stage("Read the atlas", len(finished), "models") as advance:
        for path in finished:
            model = _read_model(path, gallery)
            if isinstance(model, ModelBundle):
                models.append(model)
            else:
                left_out.append(model)
            advance(1)
    if not models:
        raise BundleError(left_out[-1])
    for reason in left_out:
        progress.note(f"left out {reason}")
    return Atlas(folder=folder, gallery=gallery, models=tuple(models))


def _read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{path}: missing; rebuild it with `head-atlas build`") from None
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path}: not readable JSON ({error}); rebuild it with `head-atlas build`"
        ) from None
    # Records without a format of their own (there are none today) would be of the current one.
    version = content.get("format", FORMAT) if isinstance(content, dict) else None
    if version != FORMAT:
        raise BundleError(
            f"{path}: bundle format {version}, but this version reads format {FORMAT}; "
            "rebuild it with `head-atlas build`"
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"{path}: {where}: {first['msg']}; rebuild it with `head-atlas build`"
        ) from None


def _read_arrays(path: Path, *names: str) -> tuple[NDArray[np.generic], ...]:
    try:
        arrays = load_file(path)
        return tuple(arrays[name] for name in names)
    except FileNotFoundError:
        raise BundleError(f"{path}: missing; rebuild it with `head-atlas build`") from None
    except (OSError, SafetensorError, KeyError) as error:
        raise BundleError(
            f"{path}: damaged ({error}); remove it and rebuild with `head-atlas build`"
        ) from None


def _read_model(folder: Path, gallery: GalleryManifest) -> ModelBundle | str:
    """Read one model, or say in a line that it was built over another gallery."""
    record = _read_record(folder / "model.json", ModelRecord)
    if record.name != folder.name:
        raise BundleError(
            f"{folder}: holds the model {record.name}; a bundle's folder bears its model's name"
        )
    if record.name in RESERVED_NAMES or not re.fullmatch(r"[\w][\w.+-]*", record.name):
        raise BundleError(
            f"{folder}: a model cannot be called {record.name!r}, because its name becomes an "
            f"address (letters, digits, and -_.+; not {', '.join(RESERVED_NAMES)})"
        )
    if record.gallery_sha256 != gallery.sha256:
        return (
            f"{folder}: built over another gallery than {folder.parent / 'gallery'}; rebuild it "
            f"with `head-atlas build --model {record.name}` and that gallery"
        )
    heads = tuple(
        _read_record(folder / "heads" / f"{head.id}.json", HeadRecord) for head in record.heads
    )
    images = _read_record(folder / "images.json", ImagesRecord)
    truth = None
    if (folder / "ground-truth.json").is_file():
        truth = _read_record(folder / "ground-truth.json", GroundTruthRecord)
    nearest, scores = _read_arrays(folder / "neighbours.safetensors", "images", "scores")
    (maps,) = _read_arrays(folder / "heatmaps.safetensors", "maps")
    expected = (len(heads), len(gallery.images))
    if nearest.ndim != 3 or nearest.shape[:2] != expected or scores.shape != nearest.shape:
        raise BundleError(
            f"{folder / 'neighbours.safetensors'}: shape {nearest.shape}, expected "
            f"({expected[0]} heads, {expected[1]} images, k); rebuild it with `head-atlas build`"
        )
    shape = record.architecture
    model = ModelBundle(
        record=record,
        heads=heads,
        images=images,
        neighbours=nearest.astype(np.int32),
        scores=scores.astype(np.float32),
        maps=maps.astype(np.float32) / np.float32(1 + shape.grid[0] * shape.grid[1]),
        truth=truth,
    )
    _check_references(folder, model, gallery)
    return model


def _check_references(folder: Path, model: ModelBundle, gallery: GalleryManifest) -> None:
    """Every image, head and map that a record names is there."""
    ids = {image.id for image in gallery.images}
    heads = {head.id for head in model.record.heads}
    maps: list[HeatMap] = [m for contrast in model.record.contrasts for m in contrast.maps]
    images: set[str] = set(model.images.images)
    named: set[str] = {head for bearer in model.record.properties for head in bearer.heads}
    for query in (q for bearer in model.record.properties for q in bearer.queries):
        images |= {query.image, *(n.image for n in query.neighbours)}
    for strengths in model.images.images.values():
        named |= {strength.head for strength in strengths}
    for head in model.heads:
        for description in head.descriptions:
            maps += description.maps
            images |= {n.image for n in description.neighbours}
        for topic in head.topics:
            maps += topic.maps
        images |= {strength.image for strength in head.strongest}
        for own in head.image_neighbours:
            images |= {own.image, *(n.image for n in own.neighbours)}
    images |= {heat.image for heat in maps}
    if model.truth and [(head.id, head.label) for head in model.truth.heads] != [
        (head.id, head.label) for head in model.record.heads
    ]:
        raise BundleError(
            f"{folder / 'ground-truth.json'}: measured with other labels; run"
            " `head-atlas ground-truth` again, or remove it"
        )
    for kind, missing in (("image", images - ids), ("head", named - heads)):
        if missing:
            raise BundleError(
                f"{folder}: names the {kind} {min(missing)!r}, which is not there; "
                "rebuild it with `head-atlas build`"
            )
    beyond = [heat.map for heat in maps if not 0 <= heat.map < len(model.maps)]
    if beyond:
        raise BundleError(
            f"{folder / 'heatmaps.safetensors'}: has {len(model.maps)} maps, but map {beyond[0]} "
            "is named; rebuild it with `head-atlas build`"
        )
    if len(model.neighbours) and model.neighbours.max(initial=0) >= len(gallery.images):
        raise BundleError(
            f"{folder / 'neighbours.safetensors'}: names image {model.neighbours.max()} of "
            f"{len(gallery.images)}; rebuild it with `head-atlas build`"
        )
