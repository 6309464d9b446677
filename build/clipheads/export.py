"""What others can load: tensors as safetensors, and the heads' projections as ONNX."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor

OPSET = 17
IR_VERSION = 8
"""Both from 2022: what onnxruntime reads since 1.12, in the browser too."""


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write named tensors as safetensors; the same tensors give the same bytes."""
    path.touch()
    mode = path.stat().st_mode
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    # safetensors lets only the owner read; a site is often built by someone else.
    path.chmod(mode)


def export_projections(basis: Tensor, path: Path) -> None:
    """Write the projection of texts on the heads, `text` [n, D] -> `queries` [n, heads, r].

    The file is checked by `onnx.checker`, and its output against numpy, before it is kept.

    Args:
        basis: [heads, D, r], orthonormal columns.
        path: the `.onnx` file to write.

    Raises:
        RuntimeError: if onnxruntime does not compute Bᵀt.
    """
    heads, dimension, rank = basis.shape
    matrix = basis.permute(1, 0, 2).reshape(dimension, heads * rank).contiguous().numpy()
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["text", "basis"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["queries"]),
        ],
        "projections",
        inputs=[helper.make_tensor_value_info("text", TensorProto.FLOAT, ["n", dimension])],
        outputs=[helper.make_tensor_value_info("queries", TensorProto.FLOAT, ["n", heads, rank])],
        initializer=[
            numpy_helper.from_array(matrix, "basis"),
            numpy_helper.from_array(np.array([-1, heads, rank], dtype=np.int64), "shape"),
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="clip-head-atlas",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    _compare_with_numpy(path, matrix, heads, rank)


def project(path: Path, text: np.ndarray) -> np.ndarray:
    """Run an exported file on unit rows [n, D] and return [n, heads, r]."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (queries,) = session.run(["queries"], {"text": text.astype(np.float32)})
    return np.asarray(queries)


def _compare_with_numpy(path: Path, matrix: np.ndarray, heads: int, rank: int) -> None:
    text = np.random.default_rng(0).standard_normal((3, len(matrix)))
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    expected = (text @ matrix.astype(np.float64)).reshape(3, heads, rank)
    error = float(np.abs(project(path, text) - expected).max())
    if error > 1e-5:
        raise RuntimeError(f"{path}: projections differ from numpy by {error:.1e}")
