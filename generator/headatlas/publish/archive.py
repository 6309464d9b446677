"""A zip archive that has the same bytes for the same files, whenever and wherever it is made."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip archive can name."""
_READABLE = 0o100644 << 16


def archive(files: Mapping[str, bytes | Path]) -> bytes:
    """Pack files, given by their path in the archive, in the order of their paths."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, also on Windows
            entry.external_attr = _READABLE
            made.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
    return packed.getvalue()
