"""The stage `gallery`: the images as pages show them, and their manifest."""

from clipheads.bundle.gallery import GalleryManifest
from clipheads.gallery.pictures import write_gallery
from clipheads.stages import inputs
from clipheads.stages.engine import Stage
from clipheads.stages.store import File, RecordFile, Store

FOLDER = "gallery"
MANIFEST = RecordFile(f"{FOLDER}/manifest.json", GalleryManifest, in_atlas=True)
PICTURES = File(f"{FOLDER}/*.webp", in_atlas=True)


def image_ids(store: Store) -> list[str]:
    """The ids of the images, in the order of every axis `images`."""
    return [image.id for image in store.record(MANIFEST).images]


def _make(store: Store) -> None:
    given = store.get(inputs.GALLERY)
    with store.steps(len(given.files), "images") as advance:
        write_gallery(
            given.files,
            store.new(MANIFEST.path).parent,
            title=given.title,
            skipped=given.absent,
            advance=advance,
        )


gallery = Stage(
    "gallery",
    _make,
    reads=(inputs.GALLERY,),
    writes=(MANIFEST, PICTURES),
    settings=(
        "bundle.record.FORMAT",
        "gallery.pictures.LONG_SIDE",
        "gallery.pictures.QUALITY",
        "gallery.pictures.MAX_PIXELS",
        "gallery.pictures.MAX_RATIO",
    ),
    seals=(MANIFEST,),
)
