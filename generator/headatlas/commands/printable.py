"""Text of any origin, such as a file's name, as a terminal shows it and does not obey it."""

import unicodedata

_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that move the cursor, recolour, hide or reorder text, or end a line."""

_JOINERS = "\u200c\u200d"
"""Format characters of ordinary words and emoji."""


def printable(text: str) -> str:
    r"""Return the text with every control character written as its escape.

    >>> print(printable("cat\x1b[2J\n.png"))
    cat\x1b[2J\n.png
    """
    return "".join(
        repr(char)[1:-1] if unicodedata.category(char) in _OBEYED and char not in _JOINERS else char
        for char in text
    )
