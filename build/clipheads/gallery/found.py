"""What is found of a gallery: images by name, what is said of them, and what is left out."""

from pathlib import Path
from typing import NamedTuple

from clipheads.bundle.gallery import SkippedImage
from clipheads.gallery.tar_shards import ShardMember

ImageFile = Path | ShardMember

Details = dict[str, dict[str, str]]
"""For each file's name its title, credit, licence and source, where they are given.

Names are the system's own, in which bytes that are no UTF-8 are surrogates, until they are shown.
"""


class Found(NamedTuple):
    """Images of a gallery, or of a part of it."""

    images: dict[str, ImageFile]
    """By name within the gallery, with forward slashes."""
    details: Details
    skipped: list[SkippedImage]
    """What is named as an image without being one that can be read."""
