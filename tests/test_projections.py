"""What others load says the same as what was computed, and is the same each time."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn.functional import normalize

from clipheads.browser import projections
from clipheads.browser.fidelity import MAX_ERROR, MIN_SAME
from clipheads.browser.onnx_graph import read_fidelity
from clipheads.browser.projections import (
    export_projections,
    project,
    projection_model,
    save_tensors,
)
from clipheads.bundle.errors import ModelError


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _basis() -> torch.Tensor:
    basis, _ = torch.linalg.qr(_random(6, 32, 5))
    return torch.as_tensor(basis)


def _expected(text: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("nd,hdr->nhr", text, _basis().numpy()))


def test_onnx_projects_as_numpy_does(tmp_path: Path) -> None:
    for count in (1, 7):
        text = np.random.default_rng(count).standard_normal((count, 32)).astype(np.float32)
        for storage, error in (("fp32", 1e-5), ("fp16", 5e-3)):
            model = projection_model(_basis(), storage)  # type: ignore[arg-type]
            np.testing.assert_allclose(project(model, text), _expected(text), atol=error)


def test_halves_are_kept_where_they_keep_the_neighbours(tmp_path: Path) -> None:
    path, texts = tmp_path / "projections.onnx", normalize(_random(40, 32, seed=1), dim=-1)
    fidelity = export_projections(_basis(), _random(60, 6, 5), texts, path)
    onnx.checker.check_model(str(path), full_check=True)
    assert fidelity == read_fidelity(path)
    assert (fidelity.storage, fidelity.measured_on) == ("fp16", 240)
    assert 0 < fidelity.cosine_error <= MAX_ERROR
    assert fidelity.same_top_8 >= MIN_SAME
    np.testing.assert_allclose(project(path, texts.numpy()), _expected(texts.numpy()), atol=1e-3)


def test_floats_are_kept_where_halves_would_change_the_neighbours(tmp_path: Path) -> None:
    # Forty images in nearly one direction: their order hangs on the last bits of a query.
    coordinates = _random(1, 6, 5) + 1e-3 * _random(40, 6, 5, seed=2)
    texts = normalize(_random(40, 32, seed=1), dim=-1)
    path = tmp_path / "projections.onnx"
    fidelity = export_projections(_basis(), coordinates, texts, path)
    assert fidelity.storage == "fp32"
    np.testing.assert_allclose(project(path, texts.numpy()), _expected(texts.numpy()), atol=1e-5)


def test_exports_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    tensors = {"b": _basis(), "a": _basis()[0].double(), "c": torch.arange(3, dtype=torch.int32)}
    texts = normalize(_random(4, 32), dim=-1)
    for name in ("one", "two"):
        export_projections(_basis(), _random(20, 6, 5), texts, tmp_path / f"{name}.onnx")
        save_tensors(tmp_path / f"{name}.safetensors", tensors)
    for suffix in ("onnx", "safetensors"):
        one, two = (tmp_path / f"{name}.{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_tensors_come_back_as_they_were_views_included(tmp_path: Path) -> None:
    basis = _basis()
    save_tensors(tmp_path / "a.safetensors", {"view": basis.transpose(1, 2)[::2]})
    torch.testing.assert_close(load_file(tmp_path / "a.safetensors")["view"], basis.mT[::2])


def test_projections_that_are_wrong_in_every_storage_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        projections, "projection_model", lambda basis, storage: projection_model(-basis, storage)
    )
    path, texts = tmp_path / "projections.onnx", normalize(_random(40, 32, seed=1), dim=-1)
    with pytest.raises(ModelError, match=r"cannot be exported: even in float32 they are off by 1"):
        export_projections(_basis(), _random(60, 6, 5), texts, path)
    assert not path.exists()


def test_a_disk_that_is_full_is_an_error_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(projections, "save_file", full)
    with pytest.raises(OSError, match="No space left on device"):
        save_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(1)})
