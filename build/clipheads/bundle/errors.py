"""Errors that a user can fix: one line that says what, where, and what would be right."""


class AtlasError(Exception):
    """Input that cannot be used; the message is shown as it is and the exit code is 2."""


class ModelError(AtlasError):
    """A model that is unknown, unsupported, or whose weights do not fit."""


class GalleryError(AtlasError):
    """A gallery that is missing, empty, or without a readable image."""


class BundleError(AtlasError):
    """A bundle that is missing, damaged, or of another format version."""


def system_reason(error: OSError) -> str:
    """Return what the system says of an error, or its kind where a library raised it without."""
    return " ".join((error.strerror or str(error) or type(error).__name__).split())[:200]


def first_line(error: Exception) -> str:
    """Return the first line of another library's error, cut to what a message can hold."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no reason given"
