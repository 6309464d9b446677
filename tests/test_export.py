"""What others load says the same as what was computed, and is the same each time."""

from pathlib import Path

import numpy as np
import onnx
import torch
from safetensors.torch import load_file

from clipheads.export import export_projections, project, save_tensors


def _basis() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(6, 32, 5, generator=generator))
    return torch.as_tensor(basis)


def test_onnx_projects_as_numpy_does(tmp_path: Path) -> None:
    basis = _basis()
    export_projections(basis, tmp_path / "projections.onnx")
    onnx.checker.check_model(str(tmp_path / "projections.onnx"), full_check=True)
    for count in (1, 7):
        text = np.random.default_rng(count).standard_normal((count, 32)).astype(np.float32)
        expected = np.einsum("nd,hdr->nhr", text, basis.numpy())
        np.testing.assert_allclose(
            project(tmp_path / "projections.onnx", text), expected, atol=1e-5
        )


def test_exports_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    tensors = {"b": _basis(), "a": _basis()[0].double(), "c": torch.arange(3, dtype=torch.int32)}
    for name in ("one", "two"):
        export_projections(_basis(), tmp_path / f"{name}.onnx")
        save_tensors(tmp_path / f"{name}.safetensors", tensors)
    for suffix in ("onnx", "safetensors"):
        one, two = (tmp_path / f"{name}.{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_tensors_come_back_as_they_were_views_included(tmp_path: Path) -> None:
    basis = _basis()
    save_tensors(tmp_path / "a.safetensors", {"view": basis.transpose(1, 2)[::2]})
    torch.testing.assert_close(load_file(tmp_path / "a.safetensors")["view"], basis.mT[::2])
