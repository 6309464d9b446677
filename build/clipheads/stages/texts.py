"""The stages `pool`, `descriptions` and `topics`: the texts of a build, and their embeddings."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.pool import PoolRecord, TopicsRecord
from clipheads.model.text import embed_texts, texts_cut
from clipheads.stages.engine import Stage
from clipheads.stages.inputs import MODEL, POOL_GIVEN, POOL_TEXTS, TOPICS_GIVEN
from clipheads.stages.store import RecordFile, Store, Tensors

SHARD_TEXTS = 512

POOL = RecordFile("pool.json", PoolRecord)
DESCRIPTIONS = Tensors("descriptions.safetensors")
"""`embeddings` [texts of the pool, D], unit rows."""
TOPICS = RecordFile("topics.json", TopicsRecord)
TOPIC_TEXTS = Tensors("topics.safetensors")
"""`embeddings` [texts of topics and contrasts, D], unit rows."""

TEXTS = (POOL, DESCRIPTIONS, TOPICS, TOPIC_TEXTS)
"""What `text_rows` and `text_embeddings` read."""


def text_rows(store: Store) -> dict[str, int]:
    """The row of each text in `text_embeddings`."""
    described = [row.text for row in store.record(POOL).texts]
    return {
        text: row for row, text in enumerate([*described, *store.record(TOPICS).distinct_texts])
    }


def text_embeddings(store: Store) -> Tensor:
    """The embeddings of the pool, then those of topics and contrasts, [texts, D]."""
    files = (DESCRIPTIONS, TOPIC_TEXTS)
    return torch.cat([store.tensor(file, "embeddings") for file in files])


def _write_pool(store: Store) -> None:
    store.write_record(POOL.path, store.get(POOL_GIVEN))


def _embed_pool(store: Store) -> None:
    _embed(store, store.get(POOL_TEXTS), DESCRIPTIONS)


def _embed_topics(store: Store) -> None:
    given = store.get(TOPICS_GIVEN)
    store.write_record(TOPICS.path, given)
    _embed(store, given.distinct_texts, TOPIC_TEXTS)


def _embed(store: Store, texts: list[str], file: Tensors) -> None:
    model = store.get(MODEL)
    parts = [texts[start : start + SHARD_TEXTS] for start in range(0, len(texts), SHARD_TEXTS)]
    if cut := texts_cut(model, texts):
        store.note(
            f"{store.stage}: {len(cut)} of {len(texts)} texts are longer than {model.name} reads"
            f" and are cut, such as {cut[0][:60]!r}; texts that differ only later are one"
        )
    rows = []
    with store.steps(len(texts), "texts") as advance:

        def make(index: int, path: Path) -> None:
            save_tensors(path, {"embeddings": embed_texts(model, parts[index])})

        for index, path in store.shards(len(parts), make):
            rows.append(load_file(path)["embeddings"])
            advance(len(parts[index]))
    store.write_tensors(file, {"embeddings": torch.cat(rows)})


pool = Stage("pool", _write_pool, reads=(POOL_GIVEN,), writes=(POOL,))

descriptions = Stage(
    "descriptions",
    _embed_pool,
    reads=(MODEL, POOL_TEXTS),
    writes=(DESCRIPTIONS,),
    settings=("stages.texts.SHARD_TEXTS",),
    version=2,
)

topics = Stage(
    "topics",
    _embed_topics,
    reads=(MODEL, TOPICS_GIVEN),
    writes=(TOPICS, TOPIC_TEXTS),
    settings=("stages.texts.SHARD_TEXTS",),
    version=2,
)
