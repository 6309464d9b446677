"""Hashes of files and of plain values."""

import hashlib
import json
from io import BufferedReader
from pathlib import Path


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return sha256_stream(file)


def sha256_stream(file: BufferedReader) -> str:
    """Return the SHA-256 of the bytes from where an open file stands to its end."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(*inputs: object) -> str:
    """Return the SHA-256 of `inputs`, which must be plain JSON values."""
    text = json.dumps(inputs, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
