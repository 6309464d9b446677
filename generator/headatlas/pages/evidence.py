"""The contact sheet of a head: the images nearest to each answer of its label, in this head."""

from dataclasses import dataclass

from clipheads.bundle.ground_truth import AnswerTruth, HeadTruth
from clipheads.bundle.head import HeadRecord
from headatlas.pages.view import ModelView, NeighbourView

FOLDED_BELOW = 0.03
"""Descriptions that explain less of a head's variance are folded."""
MOST_ROWS = 8
"""Rows of descriptions, where a head has no answers; of answers the bundle has chosen a few."""


@dataclass(frozen=True, eq=False)
class EvidenceImage:
    """One image of a row."""

    near: NeighbourView
    shows: bool | None
    """Whether it shows what the row says; None where that is unknown."""


@dataclass(frozen=True, eq=False)
class EvidenceRow:
    """The images nearest to an answer of the label, or to a description."""

    text: str
    texts: int
    """Texts of the pool that stand for it."""
    share: float
    share_at: float
    """Length of its bar in percent: the largest share of the sheet fills it."""
    images: tuple[EvidenceImage, ...]
    hits: int | None
    """How many of the images show it; None where that is unknown."""
    chance: float | None
    """How many of as many images drawn at random would."""


@dataclass(frozen=True, eq=False)
class EvidenceView:
    """The rows of a head's contact sheet."""

    rows: tuple[EvidenceRow, ...]
    considered: int
    """Answers of the label, or descriptions, from which the rows were chosen."""
    of_label: bool
    """Whether the rows are answers of the label; else they are descriptions."""

    @property
    def hits(self) -> int | None:
        """Images of all rows that show what their row says, if all are known."""
        counts = [row.hits for row in self.rows if row.hits is not None]
        return sum(counts) if self.rows and len(counts) == len(self.rows) else None

    @property
    def images(self) -> int:
        """Images of all rows."""
        return sum(len(row.images) for row in self.rows)

    @property
    def chance(self) -> float | None:
        """How many of as many images drawn at random would show what their row says."""
        counts = [row.chance for row in self.rows if row.chance is not None]
        return sum(counts) if self.rows and len(counts) == len(self.rows) else None


def evidence_view(model: ModelView, record: HeadRecord, truth: HeadTruth | None) -> EvidenceView:
    """The answers of a head's label; without label, or without answers, its first descriptions."""
    rows = _answers(model, record, truth) if record.answers else _descriptions(model, record, truth)
    considered = record.answers.considered if record.answers else len(record.descriptions)
    return EvidenceView(rows, considered, of_label=record.answers is not None)


def _answers(
    model: ModelView, record: HeadRecord, truth: HeadTruth | None
) -> tuple[EvidenceRow, ...]:
    answers = record.answers.answers if record.answers else []
    known: list[AnswerTruth | None] = truth.answers if truth else [None] * len(answers)
    largest = max((answer.share for answer in answers), default=0.0)
    rows = []
    for answer, own in zip(answers, known, strict=True):
        near = model.near(answer.neighbours)
        shows = own.shows if own else [None] * len(near)
        rows.append(
            EvidenceRow(
                text=answer.text,
                texts=answer.texts,
                share=answer.share,
                share_at=_length(answer.share, largest),
                images=tuple(EvidenceImage(*pair) for pair in zip(near, shows, strict=True)),
                hits=sum(own.shows) if own else None,
                chance=len(near) * own.images / len(model.pictures) if own else None,
            )
        )
    return tuple(rows)


def _descriptions(
    model: ModelView, record: HeadRecord, truth: HeadTruth | None
) -> tuple[EvidenceRow, ...]:
    hits = truth.hits if truth else [None] * len(record.descriptions)
    pairs = sorted(zip(record.descriptions, hits, strict=True), key=lambda pair: -pair[0].share)
    largest = pairs[0][0].share if pairs else 0.0
    return tuple(
        EvidenceRow(
            text=description.text,
            texts=1,
            share=description.share,
            share_at=_length(description.share, largest),
            images=tuple(EvidenceImage(near, None) for near in model.near(description.neighbours)),
            hits=count,
            chance=None,
        )
        for description, count in pairs[:MOST_ROWS]
    )


def _length(share: float, largest: float) -> float:
    return round(100 * share / largest, 2) if largest > 0 else 0.0
