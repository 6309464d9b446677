"""How names of files are shown: as text, whatever their bytes, and as titles."""

import re


def shown(name: str) -> str:
    r"""Return a name as it is shown: bytes and characters that are no text as their escapes.

    >>> print(shown("caf\udce9.png"))
    caf\xe9.png
    """
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair of surrogates, as JSON may hold it
        return name.encode("utf-8", "backslashreplace").decode()


def readable(name: str) -> str:
    """Make a title of a file's name.

    >>> readable("red_fox-2")
    'Red fox 2'
    """
    words = " ".join(re.split(r"[\s_\-]+", name)).strip()
    return words[:1].upper() + words[1:]
