"""Reads an atlas from disk; refuses one that is missing, stale, damaged or of another format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from clipheads.bundle.disk.containment import inside
from clipheads.bundle.disk.record_files import AnyRecord
from clipheads.bundle.disk.record_files import read_record as read_any
from clipheads.bundle.errors import BundleError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.ground_truth import GroundTruthRecord
from clipheads.bundle.head import HeadRecord, HeatMap
from clipheads.bundle.images import ImagesRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.names import why_no_model_name
from clipheads.bundle.progress import Progress, Silent
from clipheads.bundle.relatives import HeadRelatives, OtherRelativesRecord, other_relatives_file

REBUILD = "rebuild it with `head-atlas build`"


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """Everything that the site shows of one model."""

    folder: Path
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
    relatives: Mapping[str, OtherRelativesRecord] = field(default_factory=dict)
    """The relatives of its heads in the other models of the atlas that it was compared with."""
    truth: GroundTruthRecord | None = None
    """Of a model of the demo world: what is known to be true."""
    outdated: tuple[str, ...] = ()
    """What of the bundle is left out because it belongs to an earlier state, in a line each."""


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
    found = sorted(
        path for path in folder.glob("[!.]*") if path.is_dir() and path.name != "gallery"
    )
    finished = [path for path in found if (path / "model.json").is_file()]
    if not finished:
        raise BundleError(
            f"{folder}: no finished atlas here; run `head-atlas demo`, or `head-atlas build` "
            "with your model and gallery"
        )
    gallery = read_record(folder, "gallery/manifest.json", GalleryManifest)
    for image in gallery.images:
        if not inside(folder, f"gallery/{image.id}.webp").is_file():
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
                left_out += model.outdated
            else:
                left_out.append(model)
            advance(1)
    if not models:
        raise BundleError(left_out[-1])
    for position, model in enumerate(models):
        others, reasons = _read_relatives(folder, model, models)
        models[position] = replace(model, relatives=others)
        left_out += reasons
    for reason in left_out:
        progress.note(f"left out {reason}")
    return Atlas(folder=folder, gallery=gallery, models=tuple(models))


def read_record(atlas: Path, name: str, kind: type[AnyRecord]) -> AnyRecord:
    """Read the record in the file `name` of an atlas.

    Raises BundleError, in one line that says what to do.
    """
    return read_any(inside(atlas, name), kind, remedy=REBUILD, error=BundleError)


def _read_arrays(path: Path, *names: str) -> tuple[NDArray[np.generic], ...]:
    try:
        arrays = load_file(path)
        return tuple(arrays[name] for name in names)
    except FileNotFoundError:
        raise BundleError(f"{path}: missing; {REBUILD}") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path}: damaged ({error}); remove it and {REBUILD}") from None


def _read_maps(path: Path) -> NDArray[np.float32]:
    (maps,) = _read_arrays(path, "maps")
    with np.errstate(over="ignore"):
        grids = maps.astype(np.float32)
    if grids.ndim != 3 or 0 in grids.shape[1:] or not np.isfinite(grids).all():
        raise BundleError(
            f"{path}: not finite grids [maps, rows, columns], but {maps.dtype} {maps.shape}; "
            f"{REBUILD}"
        )
    return grids


def _read_neighbours(
    path: Path, heads: int, images: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    nearest, scores = _read_arrays(path, "images", "scores")
    shape = nearest.shape
    if len(shape) != 3 or shape[:2] != (heads, images) or scores.shape != shape:
        raise BundleError(
            f"{path}: shape {shape}, expected ({heads} heads, {images} images, k); {REBUILD}"
        )
    if nearest.dtype.kind != "i" or scores.dtype.kind != "f" or not np.isfinite(scores).all():
        raise BundleError(f"{path}: not whole numbers with finite scores; {REBUILD}")
    indices = nearest.astype(np.int64)
    beyond = indices[(indices < 0) | (indices >= images)]
    if beyond.size:
        raise BundleError(f"{path}: names image {beyond[0]} of {images}; {REBUILD}")
    return indices.astype(np.int32), scores.astype(np.float32)


def _read_model(folder: Path, gallery: GalleryManifest) -> ModelBundle | str:
    """Read one model, or say in a line that it was built over another gallery."""
    atlas = folder.parent

    def read(name: str, kind: type[AnyRecord]) -> AnyRecord:
        return read_record(atlas, f"{folder.name}/{name}", kind)

    if reason := why_no_model_name(folder.name):
        raise BundleError(f"{folder}: a model cannot be called {folder.name!r}: {reason}")
    record = read("model.json", ModelRecord)
    if record.name != folder.name:
        raise BundleError(
            f"{folder}: holds the model {record.name}; "
            "a bundle's folder must be named after its model"
        )
    if record.gallery_sha256 != gallery.sha256:
        return (
            f"{folder}: built over another gallery than {atlas / 'gallery'}; rebuild it "
            f"with `head-atlas build --model {record.name}` and that gallery"
        )
    heads = tuple(read(f"heads/{head.id}.json", HeadRecord) for head in record.heads)
    for summary, head in zip(record.heads, heads, strict=True):
        if (summary.id, summary.label) != (head.id, head.label.text):
            raise BundleError(
                f"{folder / 'heads' / summary.id}.json: head {head.id} with the label "
                f"{head.label.text!r}, but model.json says {summary.label!r}; {REBUILD}"
            )
        effects = None if head.profile is None else len(head.profile.effects)
        if effects != (None if record.profile is None else len(record.profile.transforms)):
            raise BundleError(
                f"{folder / 'heads' / summary.id}.json: its profile is not of the transforms that "
                f"model.json has; {REBUILD}"
            )
    rows, columns = record.architecture.grid
    for head in heads:
        if any((len(a.patches), len(a.patches[0])) != (rows, columns) for a in head.attention):
            raise BundleError(
                f"{folder / 'heads' / head.id}.json: attention over other patches than the "
                f"model's {rows} x {columns}; {REBUILD}"
            )
    if not _are_relatives({head.id: head.relatives for head in heads}, record, record):
        raise BundleError(
            f"{folder / 'heads'}: relatives that are not among the heads of model.json; {REBUILD}"
        )
    images = read("images.json", ImagesRecord)
    truth, outdated = _read_truth(folder, record, heads)
    shape = record.architecture
    nearest, scores = _read_neighbours(
        inside(atlas, f"{folder.name}/neighbours.safetensors"), len(heads), len(gallery.images)
    )
    model = ModelBundle(
        folder=folder,
        record=record,
        heads=heads,
        images=images,
        neighbours=nearest,
        scores=scores,
        maps=_read_maps(inside(atlas, f"{folder.name}/heatmaps.safetensors"))
        / np.float32(1 + shape.grid[0] * shape.grid[1]),
        truth=truth,
        outdated=outdated,
    )
    _check_references(folder, model, gallery)
    return model


def _read_truth(
    folder: Path, record: ModelRecord, heads: Sequence[HeadRecord]
) -> tuple[GroundTruthRecord | None, tuple[str, ...]]:
    """Read the ground truth if it was measured on this very bundle, else say why it is left out."""
    name = "ground-truth.json"
    if not (folder / name).is_file():
        return None, ()
    again = f"{folder / name}: run `head-atlas ground-truth` again; it was measured"
    try:
        truth = read_record(folder.parent, f"{folder.name}/{name}", GroundTruthRecord)
    except BundleError as error:
        return None, (f"{error}, or run `head-atlas ground-truth` again",)
    if truth.weights_sha256 != record.weights.sha256:
        return None, (f"{again} with other weights",)
    if truth.gallery_sha256 != record.gallery_sha256:
        return None, (f"{again} over another gallery",)
    labels = [(head.id, head.label) for head in record.heads]
    if [(head.id, head.label) for head in truth.heads] != labels:
        return None, (f"{again} with other labels",)
    described = [len(head.descriptions) for head in heads]
    if [len(head.hits) for head in truth.heads] != described:
        return None, (f"{again} with other descriptions",)
    if not _has_answers_of(truth, heads):
        return None, (f"{again} with other answers",)
    return truth, ()


def _read_relatives(
    atlas: Path, model: ModelBundle, models: Sequence[ModelBundle]
) -> tuple[dict[str, OtherRelativesRecord], list[str]]:
    """Read how a model compares with the others, or say why some of that is left out."""
    found: dict[str, OtherRelativesRecord] = {}
    left_out: list[str] = []
    own = model.record
    for other in (one.record for one in models if one is not model):
        name = f"{own.name}/{other_relatives_file(other.name)}"
        if not inside(atlas, name).is_file():
            continue
        try:
            record = read_record(atlas, name, OtherRelativesRecord)
        except BundleError as error:
            left_out.append(str(error))
            continue
        states = (record.model, record.fingerprint, record.other, record.other_fingerprint)
        current = (own.name, own.relatives.fingerprint, other.name, other.relatives.fingerprint)
        if states != current or not _are_relatives(record.heads, own, other):
            left_out.append(f"{atlas / name}: of other bundles than these; {REBUILD}")
            continue
        found[other.name] = record
    return found, left_out


def _are_relatives(
    relatives: Mapping[str, HeadRelatives], model: ModelRecord, other: ModelRecord
) -> bool:
    """Whether these are the heads of a model, compared with those of the same or another one."""
    ids = [head.id for head in other.heads]
    return list(relatives) == [head.id for head in model.heads] and all(
        len(row.cka) == len(ids)
        and {relative.head for relative in (*row.by_cka, *row.by_descriptions)} <= set(ids)
        for row in relatives.values()
    )


def _has_answers_of(truth: GroundTruthRecord, heads: Sequence[HeadRecord]) -> bool:
    """Whether the truth is of the very answers and images that the heads have."""
    for known, head in zip(truth.heads, heads, strict=True):
        answers = head.answers.answers if head.answers else []
        if len(known.answers) != len(answers) or any(
            own is not None and (own.text, len(own.shows)) != (answer.text, len(answer.neighbours))
            for own, answer in zip(known.answers, answers, strict=True)
        ):
            return False
    return True


def _check_references(folder: Path, model: ModelBundle, gallery: GalleryManifest) -> None:
    """Every image, head and map that a record names exists."""
    ids = {image.id for image in gallery.images}
    heads = {head.id for head in model.record.heads}
    maps: list[HeatMap] = [m for contrast in model.record.contrasts for m in contrast.maps]
    images: set[str] = {*model.images.images, *model.images.answers}
    named: set[str] = {head for prop in model.record.properties for head in prop.heads}
    for query in (q for prop in model.record.properties for q in prop.queries):
        images |= {query.image, *(n.image for n in query.neighbours)}
    for strengths in model.images.images.values():
        named |= {strength.head for strength in strengths}
    for head in model.heads:
        for description in head.descriptions:
            maps += description.maps
            images |= {n.image for n in description.neighbours}
        for topic in head.topics:
            maps += topic.maps
        for answer in head.answers.answers if head.answers else []:
            images |= {n.image for n in answer.neighbours}
        images |= {strength.image for strength in head.strongest}
        images |= {sample.image for sample in head.spread.samples()}
        for own in head.image_neighbours:
            images |= {own.image, *(n.image for n in own.neighbours)}
    images |= {heat.image for heat in maps}
    for kind, missing in (("image", images - ids), ("head", named - heads)):
        if missing:
            raise BundleError(
                f"{folder}: names the {kind} {min(missing)!r}, which does not exist; {REBUILD}"
            )
    if beyond := [heat.map for heat in maps if heat.map >= len(model.maps)]:
        raise BundleError(
            f"{folder / 'heatmaps.safetensors'}: has {len(model.maps)} maps, but map {beyond[0]} "
            f"is named; {REBUILD}"
        )
