"""Graphs compute in float32 what their compactly stored weights say, and are the same each time."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from clipheads.browser import onnx_graph
from clipheads.browser.onnx_graph import (
    STORAGES,
    Graph,
    make_onnx,
    onnx_session,
    read_fidelity,
    save_onnx,
)
from clipheads.bundle.errors import ModelError
from clipheads.bundle.search import Fidelity, Storage

MATRIX = np.random.default_rng(0).standard_normal((96, 8)) * np.geomspace(0.01, 10, 8)
FIDELITY = Fidelity(
    storage="int8", measured_on=3, cosine_error=0.5, same_top_8=0.25, vector_error=0.125
)


def _product(storage: Storage, *, sensitive: bool = False) -> onnx.ModelProto:
    graph = Graph(storage)
    product = graph.add("MatMul", "x", graph.weight(MATRIX, sensitive=sensitive))
    graph.output("y", product)
    inputs = {"x": (np.float32, ["n", 96])}
    return make_onnx(graph, "product", inputs=inputs, outputs={"y": ["n", 8]})


def _stored(storage: Storage, *, sensitive: bool = False) -> np.ndarray:
    (found,) = onnx_session(_product(storage, sensitive=sensitive)).run(
        ["y"], {"x": np.eye(96, dtype=np.float32)}
    )
    return np.asarray(found)


@pytest.mark.parametrize(
    ("storage", "sensitive", "step"),
    [
        ("int8", False, 1 / 254),
        ("int8", True, 1 / 254),
        ("mixed", False, 1 / 254),
        ("mixed", True, 2**-11),
        ("fp16", False, 2**-11),
        ("fp32", False, 2**-24),
    ],
)
def test_each_output_has_its_own_scale(storage: Storage, sensitive: bool, step: float) -> None:
    error = np.abs(_stored(storage, sensitive=sensitive) - MATRIX).max(axis=0)
    assert (error <= 1.01 * step * np.abs(MATRIX).max(axis=0)).all()


def test_compact_weights_take_less_room() -> None:
    sizes = [len(_product(storage).SerializeToString()) for storage in STORAGES]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.5 * sizes[-1]


@pytest.mark.parametrize("storage", STORAGES)
def test_rows_of_a_table_are_looked_up(storage: Storage) -> None:
    graph = Graph(storage)
    graph.output("rows", graph.gather_rows(MATRIX, "places"))
    model = make_onnx(
        graph,
        "table",
        inputs={"places": (np.int64, ["n", "m"])},
        outputs={"rows": ["n", "m", 8]},
    )
    places = np.array([[5, 0, 95], [5, 1, 2]])
    (rows,) = onnx_session(model).run(["rows"], {"places": places})
    largest = np.abs(MATRIX).max(axis=1)[places][..., None]
    assert (np.abs(rows - MATRIX[places]) <= largest / 253).all()


def test_only_standard_operators_of_the_opset_are_used() -> None:
    model = _product("int8")
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    onnx.checker.check_model(model, full_check=True)


def test_a_file_is_the_same_bytes_each_time_and_carries_its_error(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        save_onnx(_product("mixed"), tmp_path / name, FIDELITY)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert read_fidelity(tmp_path / "a.onnx") == FIDELITY
    onnx_session(tmp_path / "a.onnx")


def test_what_is_too_large_for_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "_MOST_BYTES", 1000)
    with pytest.raises(ModelError, match=r"the product takes .* GB in fp32"):
        _product("fp32")
