"""Write a graph of ONNX node by node, its weights stored compactly and computed in float32.

>>> graph = Graph("fp32")
>>> graph.output("double", graph.add("MatMul", "x", graph.weight(2 * np.eye(3))))
>>> model = make_onnx(
...     graph, "example", inputs={"x": (np.float32, ["n", 3])}, outputs={"double": ["n", 3]}
... )
>>> x = np.array([[1.0, 2.0, 3.0]], np.float32)
>>> onnx_session(model).run(["double"], {"x": x})[0].tolist()
[[2.0, 4.0, 6.0]]

Only standard operators are used, so that onnxruntime runs a graph in a browser too.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from clipheads.browser.onnxruntime_import import onnxruntime
from clipheads.browser.quantise import quantise
from clipheads.bundle.errors import ModelError
from clipheads.bundle.search import Fidelity, Storage

OPSET = 17
IR_VERSION = 8
"""Both from 2022: what onnxruntime reads since 1.12, in the browser too."""

STORAGES: tuple[Storage, ...] = ("int8", "mixed", "fp16", "fp32")
"""From the smallest to the most exact; mixed is int8, and fp16 where int8 does most harm."""

Shape = Sequence[int | str]
"""A name stands for an axis of any length."""

BLOCK = 64
"""In int8 so many inputs of an output have one scale."""

_MOST_BYTES = 2**31 - 2**20
_FIDELITY = "fidelity"


class Graph:
    """A graph under construction: its nodes in order, and its weights."""

    def __init__(self, storage: Storage = "fp32") -> None:
        self.storage = storage
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        name = f"{operator}_{len(self.nodes)}_0"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def output(self, name: str, value: str) -> None:
        """Let an output of the graph be this value."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))

    def constant(self, array: NDArray[Any]) -> str:
        """Add a tensor as it is."""
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def floats(self, array: NDArray[Any]) -> str:
        """Add a tensor in float32: biases and whatever else is small."""
        return self.constant(np.asarray(array, np.float32))

    def integers(self, *values: int) -> str:
        """Add a vector of integers: shapes, axes and bounds."""
        return self.constant(np.array(values, np.int64))

    def halves(self, array: NDArray[Any]) -> str:
        """Add a tensor that int8 would spoil: in fp16, unless all is stored in fp32."""
        if self.storage == "fp32":
            return self.floats(array)
        return self.add(
            "Cast", self.constant(np.asarray(array, np.float16)), to=onnx.TensorProto.FLOAT
        )

    def weight(self, matrix: NDArray[Any], *, sensitive: bool = False) -> str:
        """Add a matrix [in, out] of weights in the graph's storage.

        In int8 each output has one scale for every `BLOCK` inputs. What is `sensitive` is stored in
        fp16 where the storage is mixed.
        """
        if self.storage in ("fp16", "fp32") or (sensitive and self.storage == "mixed"):
            return self.halves(matrix)
        block = math.gcd(len(matrix), BLOCK)
        blocks = matrix.reshape(-1, block, matrix.shape[1]).swapaxes(1, 2)
        integers, scales = quantise(blocks, np.int8)
        rounded = self.add(
            "Cast", self.constant(integers.swapaxes(1, 2)), to=onnx.TensorProto.FLOAT
        )
        scaled = self.add("Mul", rounded, self.constant(scales[:, None]))
        return self.add("Reshape", scaled, self.integers(*matrix.shape))

    def gather_rows(self, table: NDArray[Any], indices: str) -> str:
        """Look up rows of a large table [rows, W] by `indices` [...]; in int8 each has a scale."""
        if self.storage == "fp32":
            return self.add("Gather", self.floats(table), indices)
        if self.storage == "fp16":
            rows = self.add("Gather", self.constant(np.asarray(table, np.float16)), indices)
            return self.add("Cast", rows, to=onnx.TensorProto.FLOAT)
        integers, scales = quantise(table, np.int8)
        rows = self.add("Gather", self.constant(integers), indices)
        chosen = self.add("Gather", self.constant(scales[:, None]), indices)
        return self.add("Mul", self.add("Cast", rows, to=onnx.TensorProto.FLOAT), chosen)


def make_onnx(
    graph: Graph,
    name: str,
    *,
    inputs: Mapping[str, tuple[type[np.generic], Shape]],
    outputs: Mapping[str, Shape],
) -> onnx.ModelProto:
    """Make a model of a graph, checked by `onnx.checker`; outputs are float32.

    Raises:
        ModelError: if it is too large for one file.
    """
    size = sum(len(tensor.raw_data) for tensor in graph.initializers)
    if size > _MOST_BYTES:
        raise ModelError(
            f"the {name.replace('_', ' ')} takes {size / 1e9:.1f} GB in {graph.storage}, but an "
            "ONNX file holds 2.1 GB: export the model without it"
        )
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            name,
            [
                helper.make_tensor_value_info(
                    key, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), list(shape)
                )
                for key, (kind, shape) in inputs.items()
            ],
            [
                helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, list(shape))
                for key, shape in outputs.items()
            ],
            graph.initializers,
        ),
        producer_name="clip-head-atlas",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def onnx_session(model: onnx.ModelProto | Path) -> onnxruntime.InferenceSession:
    """Load a model into onnxruntime, on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def save_onnx(model: onnx.ModelProto, path: Path, fidelity: Fidelity) -> None:
    """Write a model with the error that was measured; the same model gives the same bytes."""
    helper.set_model_props(model, {_FIDELITY: fidelity.model_dump_json()})
    path.write_bytes(model.SerializeToString(deterministic=True))


def read_fidelity(path: Path) -> Fidelity:
    """Return the measured error that a file of `save_onnx` carries."""
    properties = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    return Fidelity.model_validate_json(properties[_FIDELITY])
