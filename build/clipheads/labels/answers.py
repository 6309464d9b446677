"""The answers of a label: red, blue, … of a colour; mammals, flags, … of an object.

An answer is a text of the pool whose property is the label, or part of it. A property with very
many texts, of which a gallery shows each but once or twice, is answered by the narrowest
properties instead, each of which stands for all of its texts.
"""

from dataclasses import dataclass

from clipheads.bundle.answers import MOST_TEXTS
from clipheads.bundle.label_names import fold_label
from clipheads.labels.property_pool import PropertyPool


@dataclass(frozen=True)
class AnswerTexts:
    """An answer, with the rows of the pool that stand for it."""

    text: str
    rows: list[int]


def answers_of(label: str, texts: list[str], pool: PropertyPool) -> list[AnswerTexts]:
    """Return all answers of a label; none if no text of the pool has its property.

    Args:
        label: of a head, in any spelling.
        texts: of the pool.
        pool: their properties.
    """
    rows = pool.rows.get(fold_label(label), [])
    narrowest: dict[str, list[int]] = {}
    for row in rows:
        narrowest.setdefault(pool.lines[row][0], []).append(row)
    if len(rows) <= MOST_TEXTS or len(narrowest) == 1:
        return [AnswerTexts(texts[row], [row]) for row in rows]
    return [AnswerTexts(pool.spelling[name], below) for name, below in narrowest.items()]
