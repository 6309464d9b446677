"""The stage `answers`: for each answer of a head's label the images nearest to it in the head."""

from collections.abc import Iterator, Mapping

from pydantic import RootModel
from torch import Tensor

from clipheads.bundle.answers import Answer, LabelAnswers
from clipheads.bundle.names import HeadId
from clipheads.labels.answers import AnswerTexts, answers_of
from clipheads.labels.property_pool import PropertyPool
from clipheads.maths.label_answers import answer_differences, answer_images, answer_shares
from clipheads.stages.contributions import BASIS, COORDINATES, STATISTICS
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.labels import LABELS
from clipheads.stages.neighbours import neighbour_list
from clipheads.stages.rounding import rounded
from clipheads.stages.store import RecordFile, Store
from clipheads.stages.texts import DESCRIPTIONS, POOL

ANSWERS_SHOWN = 8
"""Answers of a head: those whose scores it varies most."""
ANSWER_IMAGES = 8


class AnswersRecord(RootModel[dict[HeadId, LabelAnswers | None]]):
    """`<model>/answers.json`: of each head, by its id."""


ANSWERS = RecordFile("answers.json", AnswersRecord)


def _make(store: Store) -> None:
    pool, embeddings = store.record(POOL), store.tensor(DESCRIPTIONS, "embeddings")
    texts = [row.text for row in pool.texts]
    properties = PropertyPool([row.property for row in pool.texts], pool.parents)
    labels = {head: found.label.text for head, found in store.record(LABELS).heads.items()}
    answers: dict[str, list[AnswerTexts]] = {}
    differences: dict[str, Tensor] = {}
    for label in {label for label in labels.values() if label is not None}:
        if own := answers_of(label, texts, properties):
            answers[label] = own
            differences[label] = answer_differences(embeddings, [answer.rows for answer in own])
    found = {
        head: None
        if label is None or label not in answers
        else _of_head(store, index, answers[label], differences[label])
        for index, (head, label) in enumerate(labels.items())
    }
    store.write_record(ANSWERS.path, AnswersRecord(found))


def _of_head(
    store: Store, index: int, answers: list[AnswerTexts], differences: Tensor
) -> LabelAnswers:
    own = differences @ store.tensor(BASIS, "basis")[index]
    shares = answer_shares(own, store.tensor(STATISTICS, "covariance")[index])
    chosen = shares.argsort(descending=True, stable=True)[:ANSWERS_SHOWN].tolist()
    positions, cosines = answer_images(
        store.tensor(COORDINATES, "coordinates")[:, index],
        own[chosen],
        differences[chosen].norm(dim=-1),
        ANSWER_IMAGES,
    )
    images = image_ids(store)
    return LabelAnswers(
        considered=len(answers),
        answers=[
            Answer(
                text=answers[answer].text,
                texts=len(answers[answer].rows),
                share=rounded(float(shares[answer])),
                neighbours=neighbour_list(images, positions[row], cosines[row]),
            )
            for row, answer in enumerate(chosen)
        ],
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    found: Mapping[str, LabelAnswers | None] = store.record(ANSWERS).root
    for head in store.record(LABELS).heads:
        yield {"answers": found[head]}


answers = Stage(
    "answers",
    _make,
    reads=(LABELS, POOL, DESCRIPTIONS, MANIFEST, BASIS, COORDINATES, STATISTICS),
    writes=(ANSWERS,),
    settings=(
        "stages.answers.ANSWERS_SHOWN",
        "stages.answers.ANSWER_IMAGES",
        "bundle.answers.MOST_TEXTS",
    ),
    part=Part(reads=(LABELS, ANSWERS), heads=_of_heads),
)
