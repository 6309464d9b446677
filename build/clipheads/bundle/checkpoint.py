"""`checkpoint.json`: the model from which a bundle was built."""

from clipheads.bundle.choices import NumberFormat
from clipheads.bundle.model import Architecture, Weights
from clipheads.bundle.names import ModelName
from clipheads.bundle.record import Format, Index, Record
from clipheads.bundle.search import Preprocessing, Tokenizer


class CheckpointRecord(Record):
    """`<model>/checkpoint.json`."""

    format: Format = 3
    name: ModelName
    architecture: Architecture
    weights: Weights
    precision: NumberFormat
    layers: list[Index]
    """Those whose heads are in the bundle."""
    preprocessing: Preprocessing
    tokenizer: Tokenizer | None
    """None if it is not CLIP's own."""

    @property
    def heads(self) -> list[tuple[int, int]]:
        """(layer, head) of each position on every axis `heads`."""
        return [(layer, head) for layer in self.layers for head in range(self.architecture.heads)]
