"""When two labels are the same."""

import re
import unicodedata

from clipheads.bundle.plurals import singular


def fold_label(text: str) -> str:
    """Fold case, punctuation and plural: labels that fold to the same are the same.

    >>> fold_label("Facial expressions.") == fold_label("facial Expression")
    True
    >>> fold_label("Bodyparts") == fold_label("Body part")
    False
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"[’']s\b|[’']", "", plain)
    return " ".join(singular(word) for word in re.findall(r"\w+", plain.replace("_", " ")))
