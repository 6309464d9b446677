"""The finished bundle of a demo CLIP, with the scenes of its gallery: what is to be measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.pool import PoolRecord
from clipheads.demo_world.world import gallery as demo_gallery
from clipheads.demo_world.world.scenes import Scene


@dataclass(frozen=True, eq=False)
class FinishedBundle:
    """A bundle over the demo gallery as it lies on disk; heads are in the order of `model`."""

    model: ModelRecord
    heads: list[HeadRecord]
    pool: PoolRecord
    images: list[str]
    """Ids of the gallery's images."""
    scenes: list[Scene]
    """The scenes that they show."""
    coordinates: Tensor
    """[images, heads, r]"""
    embeddings: Tensor
    """[images, D]"""
    basis: Tensor
    """[heads, D, r]; another release of torch may find another basis than this for the model."""
    covariance: Tensor
    """[heads, r, r]"""
    texts: Tensor
    """Embeddings of the pool, [n, D]."""


def read_bundle(folder: Path) -> FinishedBundle:
    """Read the bundle in a folder.

    Raises:
        AtlasError: if a record is missing or damaged, or the gallery is not the demo world's.
    """
    model = read_record(folder / "model.json", ModelRecord)
    manifest = read_record(folder.parent / "gallery" / "manifest.json", GalleryManifest)
    images = [image.id for image in manifest.images]
    contributions = load_file(folder / "coordinates.safetensors")
    return FinishedBundle(
        model=model,
        heads=[
            read_record(folder / "heads" / f"{head.id}.json", HeadRecord) for head in model.heads
        ],
        pool=read_record(folder / "pool.json", PoolRecord),
        images=images,
        scenes=_scenes_of(folder, images),
        coordinates=contributions["coordinates"],
        embeddings=contributions["embeddings"],
        basis=load_file(folder / "basis.safetensors")["basis"],
        covariance=load_file(folder / "statistics.safetensors")["covariance"],
        texts=load_file(folder / "descriptions.safetensors")["embeddings"],
    )


def _scenes_of(folder: Path, images: Sequence[str]) -> list[Scene]:
    """The scenes that the images of a demo gallery show, in their order."""
    scenes = {f"scene-{scene.seed:05d}": scene for scene in demo_gallery.choose_scenes()}
    if unknown := [image for image in images if image not in scenes]:
        raise AtlasError(
            f"{folder}: its gallery is not that of the demo world ({unknown[0]} is no scene of it);"
            " ground truth exists for drawn scenes only"
        )
    return [scenes[image] for image in images]
