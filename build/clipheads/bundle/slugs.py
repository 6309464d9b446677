"""Names that are safe in URLs and file names: lower-case letters, digits and hyphens."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MAX_LENGTH = 80
"""File systems allow 255 bytes; the rest is left for suffixes and for readable URLs."""

DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
"""What Windows takes for a device, in any folder and with any suffix."""


def slug(text: str) -> str:
    """Return `text` as a slug; `"item"` if nothing of it can be kept.

    A name that Windows takes for a device gets some of its hash.

    >>> slug("Café au lait / 3.JPG")
    'cafe-au-lait-3-jpg'
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    name = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")
    if len(name) > MAX_LENGTH:
        name = f"{name[: MAX_LENGTH - 9].rstrip('-')}-{short_hash(text, 8)}"
    if name in DEVICES:
        name = f"{name}-{short_hash(text, 8)}"
    return name or "item"


def unique_slugs(names: Iterable[tuple[str, str]]) -> list[str]:
    """Return one slug for each (key, text) pair, no two alike.

    The first text with a slug takes it as it is; later ones get six digits of the hash
    of their key, so that a name does not depend on how many came before.
    """
    taken: set[str] = set()
    slugs = []
    for key, text in names:
        name = slug(text)
        length = 6
        while name in taken:
            name = f"{slug(text)}-{short_hash(key, length)}"
            length += 1
        taken.add(name)
        slugs.append(name)
    return slugs


def short_hash(text: str, length: int) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of a name, of any bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
