"""`gallery/manifest.json`: the images of an atlas."""

from typing import Self

from pydantic import Field, model_validator

from clipheads.bundle.names import Slug
from clipheads.bundle.record import Format, Pixels, Record, refuse_twice


class GalleryImage(Record):
    """An image of the gallery, as pages show it."""

    id: Slug
    title: str
    credit: str
    licence: str
    source: str = Field(description="Origin: a URL, a file name, or how it was drawn")
    width: Pixels = Field(description="Width in pixels of <id>.webp")
    height: Pixels = Field(description="Height in pixels of <id>.webp")


class SkippedImage(Record):
    """A file of the gallery folder that could not be read."""

    file: str
    reason: str


class GalleryManifest(Record):
    """`gallery/manifest.json`."""

    format: Format = 3
    title: str
    sha256: str = Field(description="Hash of all pixels and metadata")
    images: list[GalleryImage]
    skipped: list[SkippedImage] = Field(default_factory=list)

    @model_validator(mode="after")
    def _every_image_once(self) -> Self:
        refuse_twice("image", (image.id for image in self.images))
        return self
