"""The stage `checkpoint`: what later stages need to know of the model, without the model."""

from collections.abc import Sequence

from clipheads.bundle.checkpoint import CheckpointRecord
from clipheads.model.clip_model import ClipModel
from clipheads.model.input_facts import preprocessing_facts, tokenizer_facts
from clipheads.stages.engine import Stage
from clipheads.stages.inputs import FACTS
from clipheads.stages.store import RecordFile, Store

CHECKPOINT = RecordFile("checkpoint.json", CheckpointRecord)


def checkpoint_record(model: ClipModel, name: str, layers: Sequence[int]) -> CheckpointRecord:
    """Describe a model that is called `name` in the atlas and has the heads of `layers` there."""
    return CheckpointRecord(
        name=name,
        architecture=model.architecture,
        weights=model.weights,
        precision=model.precision,
        layers=list(layers),
        preprocessing=preprocessing_facts(model),
        tokenizer=tokenizer_facts(model),
    )


def _make(store: Store) -> None:
    store.write_record(CHECKPOINT.path, store.get(FACTS))


checkpoint = Stage(
    "checkpoint",
    _make,
    reads=(FACTS,),
    writes=(CHECKPOINT,),
    settings=("bundle.record.FORMAT",),
)
