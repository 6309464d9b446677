"""Further texts in which the filter of a list searches, in a script of their own."""

import json
from collections.abc import Iterable


def filter_texts(items: Iterable[Iterable[str]]) -> bytes:
    """A script with the texts of each item of a list: each text once, and its number for each item.

    A script rather than JSON, because a page that is opened from disk may load nothing else.
    """
    numbers: dict[str, int] = {}
    found = [[numbers.setdefault(text, len(numbers)) for text in texts] for texts in items]
    content = json.dumps({"texts": list(numbers), "items": found}, separators=(",", ":"))
    return f"window.filterTexts = {content};\n".encode()
