"""The stage `textspan`: the descriptions along which each head's contributions vary."""

from collections.abc import Iterator

import torch

from clipheads.bundle.names import head_id
from clipheads.bundle.pool import PickRecord, TextSpanRecord
from clipheads.maths.text_span import textspan as pick_texts
from clipheads.maths.text_span import yardsticks
from clipheads.stages.contributions import BASIS, STATISTICS
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.inputs import HEADS
from clipheads.stages.rounding import rounded
from clipheads.stages.store import RecordFile, Store, Tensors
from clipheads.stages.texts import DESCRIPTIONS

PICKS = 10
"""Descriptions of a head."""

TEXTSPAN = RecordFile("textspan.json", TextSpanRecord)
YARDSTICKS = Tensors("yardsticks.safetensors")
"""`random` and `best`, [heads]: the shares of variance that random texts and the best directions
explain, as many as the head has descriptions"""


def _make(store: Store) -> None:
    heads = store.get(HEADS)
    covariances = store.tensor(STATISTICS, "covariance")
    basis, texts = store.tensor(BASIS, "basis"), store.tensor(DESCRIPTIONS, "embeddings")
    picks, random, best = {}, [], []
    with store.steps(len(heads), "heads") as advance:
        for head, covariance, base in zip(heads, covariances, basis, strict=True):
            chosen = pick_texts(covariance, texts.double() @ base.double(), PICKS)
            picks[head_id(*head)] = [
                PickRecord(index=pick.index, share=pick.share) for pick in chosen
            ]
            compared = yardsticks(covariance, texts @ base, len(chosen))
            random.append(compared.random)
            best.append(compared.best)
            advance(1)
    store.write_record(TEXTSPAN.path, TextSpanRecord(picks))
    store.write_tensors(
        YARDSTICKS,
        {
            "random": torch.tensor(random, dtype=torch.float64),
            "best": torch.tensor(best, dtype=torch.float64),
        },
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    random, best = store.tensor(YARDSTICKS, "random"), store.tensor(YARDSTICKS, "best")
    for position, picks in enumerate(store.record(TEXTSPAN).root.values()):
        yield {
            "explained": rounded(sum(pick.share for pick in picks)),
            "explained_by_random": rounded(float(random[position])),
            "explained_by_best": rounded(float(best[position])),
        }


textspan = Stage(
    "textspan",
    _make,
    reads=(HEADS, BASIS, STATISTICS, DESCRIPTIONS),
    writes=(TEXTSPAN, YARDSTICKS),
    settings=(
        "stages.text_span.PICKS",
        "maths.text_span.RANK_TOLERANCE",
        "maths.text_span.VANISHED",
        "maths.text_span.RANDOM_SETS",
    ),
    part=Part(reads=(TEXTSPAN, YARDSTICKS), heads=_of_heads),
)
