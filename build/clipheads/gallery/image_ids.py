"""The ids of images, which are their addresses: each depends on the image's own name alone.

>>> [image_id(name) for name in ("scene-00767.png", "dogs/rex-2.jpg", "s-00.tar/000.png")]
['scene-00767', 'dogs--rex-2-jpg', 's-00-tar--000']
>>> [image_id(name) for name in ("IMG_1234.JPG", "日本.png")]
['img-1234--xf2e3e113161a', 'item--x831c5343b9d1']

A name of lower-case letters, digits and hyphens can be recovered from its id, so that ids are
unique. Any other name is marked by its hash. An image thus keeps its address whatever is added,
removed or renamed beside it.
"""

import re

from clipheads.bundle.slugs import short_hash, slug

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""Suffixes of image files."""

UNMARKED = "png"
"""The one suffix that an id leaves out."""

LONGEST = 120

_KINDS = frozenset(suffix[1:] for suffix in SUFFIXES) | {"tar"}
_ENDS_LIKE_A_KIND = re.compile(f"-({'|'.join(sorted(_KINDS))})$")
_ENDS_LIKE_A_HASH = re.compile(r"--x[0-9a-f]{12}$")


def image_id(name: str) -> str:
    """Return the id of the image with this name within its gallery, with forward slashes.

    >>> image_id("dogs/rex-2.jpg")
    'dogs--rex-2-jpg'
    """
    *folders, file = name.split("/")
    segments = [_segment(folder) for folder in folders]
    last = _segment(file) if "." in file else None
    if last is not None and None not in segments:
        plain = "--".join([*filter(None, segments), last.removesuffix(f"-{UNMARKED}")])
        if len(plain) <= LONGEST and not _ENDS_LIKE_A_HASH.search(plain):
            return plain
    return f"{slug(name.rsplit('.', 1)[0])}--x{short_hash(name, 12)}"


def _segment(part: str) -> str | None:
    """Return a part of a path as an id shows it; None if it cannot be read back from that."""
    stem, dot, kind = part.rpartition(".")
    if not dot:
        stem, kind = part, ""
    if slug(stem) != stem or _ENDS_LIKE_A_KIND.search(stem) or (dot and kind not in _KINDS):
        return None
    return f"{stem}-{kind}" if dot else stem
