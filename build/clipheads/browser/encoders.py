"""Export CLIP's two encoders for a browser: in the smallest storage that keeps torch's answers.

What they compute is compared with torch before a file is kept.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from clipheads.browser.encoder_graphs import image_encoder, is_quick_gelu, text_encoder
from clipheads.browser.fidelity import (
    MAX_ENCODER_ERROR,
    MAX_ERROR,
    compare_answers,
    text_queries,
    unit_queries,
)
from clipheads.browser.onnx_graph import STORAGES, onnx_session
from clipheads.browser.onnxruntime_import import onnxruntime
from clipheads.browser.storage import save_smallest
from clipheads.bundle.errors import ModelError
from clipheads.bundle.search import Fidelity, Storage
from clipheads.maths.decomposition import decompose, head_basis
from clipheads.model.clip_model import ClipModel
from clipheads.model.input_facts import tokenizer_facts
from clipheads.model.text import text_tower, why_not_clips_own


def ensure_exportable(model: ClipModel, *, text: bool, image: bool) -> None:
    """Make sure that the encoders which are wanted can be exported.

    Raises:
        ModelError: if one cannot, with the reason.
    """
    reasons = {
        "text": _why_no_text_encoder(model) if text else "",
        "image": _why_not_standard(model.clip.visual.transformer) if image else "",
    }
    for kind, reason in reasons.items():
        if reason:
            raise ModelError(
                f"the {kind} encoder of {model.name} cannot be exported: {reason}; build without "
                f"--export-{kind}-encoder"
            )


def export_text_encoder(
    model: ClipModel,
    tokens: Tensor,
    texts: Tensor,
    basis: Tensor,
    coordinates: Tensor,
    path: Path,
) -> Fidelity:
    """Write the text encoder, `tokens` [n, length] -> `embedding` [n, D], in unit rows.

    Args:
        model: one that `ensure_exportable` accepts.
        tokens: [n, context], of the texts on which the error is measured.
        texts: [n, D], their unit embeddings in torch.
        basis: [heads, D, r].
        coordinates: [N, heads, r], of the gallery.
        path: the `.onnx` file to write.

    Raises:
        ModelError: if its error is too large in any storage; nothing is written.
    """
    exact = text_queries(texts, basis), coordinates

    def measure(proto: onnx.ModelProto, storage: Storage) -> Fidelity:
        embedded = _run(onnx_session(proto), "embedding", tokens, size=64)
        exported = text_queries(embedded, basis), coordinates
        return compare_answers(storage, exact=exact, exported=exported)

    return save_smallest(
        path,
        STORAGES,
        make=lambda storage: text_encoder(model, storage),
        measure=measure,
        accept=_is_close,
        refusal=lambda fidelity: _too_far("text", model, fidelity),
    )


def export_image_encoder(
    model: ClipModel,
    layers: Sequence[int],
    basis: Tensor,
    pixels: Tensor,
    coordinates: Tensor,
    path: Path,
) -> Fidelity:
    """Write the image encoder with the heads of `layers`; see `image_encoder`.

    Args:
        model: one that `ensure_exportable` accepts.
        layers: whose heads are wanted, counted from zero.
        basis: [heads, D, r], of all heads of those layers.
        pixels: [n, 3, S, S], on which the error is measured.
        coordinates: [N, heads, r], of the gallery.
        path: the `.onnx` file to write.

    Raises:
        ModelError: if its error is too large in any storage; nothing is written.
    """
    rows = list(layers)
    parts = decompose(replace(model, precision="fp32"), pixels)
    # The bundle may be from another run, with other bases of the same spaces.
    turn = head_basis(model)[rows].flatten(0, 1).cpu().mT @ basis
    found = torch.einsum("nhr,hrs->nhs", parts.coordinates[:, rows].flatten(1, 2).cpu(), turn)
    exact = unit_queries(found), coordinates

    def measure(proto: onnx.ModelProto, storage: Storage) -> Fidelity:
        exported = _run(onnx_session(proto), "coordinates", pixels, size=8)
        return compare_answers(storage, exact=exact, exported=(unit_queries(exported), coordinates))

    return save_smallest(
        path,
        STORAGES,
        make=lambda storage: image_encoder(model, layers, basis, storage),
        measure=measure,
        accept=_is_close,
        refusal=lambda fidelity: _too_far("image", model, fidelity),
    )


def _is_close(fidelity: Fidelity) -> bool:
    return fidelity.cosine_error <= MAX_ENCODER_ERROR and fidelity.vector_error <= MAX_ERROR


def _too_far(encoder: str, model: ClipModel, fidelity: Fidelity) -> str:
    return (
        f"the {encoder} encoder of {model.name} cannot be exported: even in float32 its cosines"
        f" are off by {fidelity.cosine_error:g} (at most {MAX_ENCODER_ERROR:g}) and its vectors by"
        f" {fidelity.vector_error:g} (at most {MAX_ERROR:g}); build without"
        f" --export-{encoder}-encoder"
    )


def _run(session: onnxruntime.InferenceSession, output: str, rows: Tensor, *, size: int) -> Tensor:
    """Return one output for the rows of the only input, of which `size` are taken at once."""
    (source,) = session.get_inputs()
    found = [
        session.run([output], {source.name: rows[start : start + size].numpy()})[0]
        for start in range(0, len(rows), size)
    ]
    return torch.from_numpy(np.concatenate(found))


def _why_no_text_encoder(model: ClipModel) -> str:
    """Return what stands against an export; an empty string if nothing does."""
    tower = text_tower(model.clip)
    if tokenizer_facts(model) is None:
        return "its tokenizer is not CLIP's own"
    return why_not_clips_own(tower) or _why_not_standard(tower.transformer)


def _why_not_standard(transformer: Any) -> str:
    for block in transformer.resblocks:
        activation = block.mlp.gelu if hasattr(block.mlp, "gelu") else None
        exact_gelu = getattr(activation, "approximate", "") == "none"
        if type(block).__name__ != "ResidualAttentionBlock":
            return f"its blocks are {type(block).__name__}, not the standard ones"
        if not (exact_gelu or is_quick_gelu(activation)):
            return "its activation is neither GELU nor QuickGELU"
    return ""
