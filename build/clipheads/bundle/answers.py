"""The answers of a head's label, with the head's own nearest images: fields of `HeadRecord`."""

from pydantic import Field

from clipheads.bundle.neighbour import Neighbour
from clipheads.bundle.record import Count, Record

MOST_TEXTS = 64
"""Texts of a property up to which each is an answer of its own."""


class Answer(Record):
    """One answer of a label, as red of colours or birds of objects."""

    text: str = Field(description="A text of the pool, or the property of several texts")
    texts: Count = Field(description="Texts whose mean stands for it; 1 is the text itself")
    share: float = Field(
        description="Its share in what the head varies of the zero-shot scores of all answers"
    )
    neighbours: list[Neighbour] = Field(
        description="Nearest images: cosine of c - mean c and the answer minus the mean of all"
    )


class LabelAnswers(Record):
    """The answers of a label whose scores the head varies most."""

    considered: Count = Field(description="Answers of the label, of which these were chosen")
    answers: list[Answer] = Field(min_length=1, description="The largest share first")
