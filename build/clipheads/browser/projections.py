"""What others can load: tensors as safetensors, and the heads' projections as ONNX."""

import errno
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from clipheads.browser.binary_rows import rounded
from clipheads.browser.fidelity import (
    MAX_ERROR,
    MIN_SAME,
    compare_answers,
    text_queries,
    unit_queries,
)
from clipheads.browser.onnx_graph import Graph, make_onnx, onnx_session
from clipheads.browser.storage import save_smallest
from clipheads.bundle.search import Fidelity, Storage

PROJECTION_STORAGES: tuple[Storage, ...] = ("fp16", "fp32")
"""int8 is not tried: on the demo CLIP only 94 % of the queries keep their top 8."""


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors as safetensors; the same tensors give the same bytes.

    Raises:
        OSError: if they cannot be written.
    """
    path.touch()
    mode = path.stat().st_mode
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    try:
        save_file(whole, path, metadata=dict(metadata) if metadata else None)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(path)) from error
    # safetensors lets only the owner read; a site is often built by someone else.
    path.chmod(mode)


def export_projections(basis: Tensor, coordinates: Tensor, texts: Tensor, path: Path) -> Fidelity:
    """Write the projection of texts on the heads, `text` [n, D] -> `queries` [n, heads, r].

    The weights are stored in fp16 if that keeps the neighbours of texts, else in fp32.

    Args:
        basis: [heads, D, r], orthonormal columns.
        coordinates: [N, heads, r], of the gallery, on which the error is measured as a browser
            has them, in int16.
        texts: [n, D] unit rows, with which it is measured.
        path: the `.onnx` file to write.

    Returns:
        The measured error, which the file carries too.

    Raises:
        ModelError: if its error is too large in any storage; nothing is written.
    """
    exact = text_queries(texts, basis), coordinates
    units = torch.from_numpy(rounded(unit_queries(coordinates).numpy()))

    def measure(model: onnx.ModelProto, storage: Storage) -> Fidelity:
        queries = torch.from_numpy(project(model, texts.numpy()))
        return compare_answers(storage, exact=exact, exported=(queries, units))

    return save_smallest(
        path,
        PROJECTION_STORAGES,
        make=lambda storage: projection_model(basis, storage),
        measure=measure,
        accept=_is_close,
        refusal=lambda fidelity: (
            "the projections on the heads cannot be exported: even in float32 they are off by"
            f" {fidelity.cosine_error:g} in a cosine and {fidelity.vector_error:g} in a vector (at"
            f" most {MAX_ERROR:g}); try another --device"
        ),
    )


def _is_close(fidelity: Fidelity) -> bool:
    close = max(fidelity.cosine_error, fidelity.vector_error) <= MAX_ERROR
    # With the queries of fp32 only the rounding of the coordinates can change neighbours that are
    # equally near; how many stay is in the record.
    return close and (fidelity.same_top_8 >= MIN_SAME or fidelity.storage == "fp32")


def projection_model(basis: Tensor, storage: Storage) -> onnx.ModelProto:
    """Make the graph of Bᵀt for all heads, from the basis [heads, D, r]."""
    heads, dimension, rank = basis.shape
    matrix = basis.permute(1, 0, 2).reshape(dimension, heads * rank).numpy()
    graph = Graph(storage)
    flat = graph.add("MatMul", "text", graph.halves(matrix))
    graph.output("queries", graph.add("Reshape", flat, graph.integers(-1, heads, rank)))
    return make_onnx(
        graph,
        "projections",
        inputs={"text": (np.float32, ["n", dimension])},
        outputs={"queries": ["n", heads, rank]},
    )


def project(model: onnx.ModelProto | Path, text: np.ndarray) -> np.ndarray:
    """Run exported projections on unit rows [n, D] and return [n, heads, r]."""
    (queries,) = onnx_session(model).run(["queries"], {"text": text.astype(np.float32)})
    return np.asarray(queries)
