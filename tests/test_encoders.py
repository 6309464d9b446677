"""An exported encoder computes what torch does: embeddings, coordinates, patches, contributions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from checkpoints import TINY, random_clip, tiny_config, tiny_model
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.browser import encoders
from clipheads.browser.encoder_graphs import image_encoder, text_encoder
from clipheads.browser.encoders import ensure_exportable, export_image_encoder, export_text_encoder
from clipheads.browser.fidelity import MAX_ENCODER_ERROR, MAX_ERROR
from clipheads.browser.onnx_graph import onnx_session, read_fidelity
from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import ModelError
from clipheads.bundle.search import Storage
from clipheads.maths.decomposition import contributions, decompose, decompose_patches, head_basis
from clipheads.model.clip_model import ClipModel
from clipheads.model.input_facts import preprocessing_facts, tokenizer_facts
from clipheads.model.load import load_model
from clipheads.model.open_clip_import import import_open_clip

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "layer_scale": {"ls_init_value": 0.3},
    "no_ln_pre": {"no_ln_pre": True},
    "sincos_positions": {"pos_embed_type": "sin_cos_2d"},
    "large_epsilon": {"norm_kwargs": {"eps": 0.05}},
    "embedding_narrower_than_heads": {"embed_dim": 20},
}
LAYERS = (1, 2)
WORDS = ["a cat", "", "a very long text about nothing at all " * 9, "Zebra’s café 🦓"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ClipModel:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def _pixels(model: ClipModel, images: int = 3) -> Tensor:
    side = model.architecture.image_size
    return torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(1))


def _with_quick_gelu(model: ClipModel, text: bool) -> ClipModel:
    clip = random_clip({**tiny_config(), "quick_gelu": True})
    assert any(type(part).__name__ == "QuickGELU" for part in clip.modules()) or text
    return replace(model, clip=clip)


def _close_to_torch(model: ClipModel) -> None:
    basis = head_basis(model)[list(LAYERS)].flatten(0, 1)
    pixels = _pixels(model)
    proto = image_encoder(model, LAYERS, basis, "fp32")
    onnx.checker.check_model(proto, full_check=True)
    names = ["embedding", "coordinates", "patches", "contributions"]
    found = onnx_session(proto).run(names, {"pixels": pixels.numpy()})
    parts = decompose(model, pixels)
    chosen = [(layer, head) for layer in LAYERS for head in range(model.architecture.heads)]
    expected = [
        normalize(parts.embedding, dim=-1),
        parts.coordinates[:, list(LAYERS)].flatten(1, 2),
        decompose_patches(model, pixels, chosen),
        contributions(parts, head_basis(model))[:, list(LAYERS)].flatten(1, 2),
    ]
    for name, one, other in zip(names, found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=2e-5, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_image_encoder_gives_what_every_head_writes(variant: str, tmp_path: Path) -> None:
    _close_to_torch(tiny_model(tmp_path, **VARIANTS[variant]))


def test_quick_gelu_is_kept(tiny: ClipModel) -> None:
    quick = _with_quick_gelu(tiny, text=False)
    _close_to_torch(quick)
    _same_texts(quick)


def _same_texts(model: ClipModel) -> None:
    tokens = model.tokenize(WORDS)
    proto = text_encoder(model, "fp32")
    onnx.checker.check_model(proto, full_check=True)
    session = onnx_session(proto)
    with torch.no_grad():
        expected = normalize(model.clip.encode_text(tokens), dim=-1).numpy()
    (found,) = session.run(["embedding"], {"tokens": tokens.numpy()})
    np.testing.assert_allclose(found, expected, atol=2e-5)
    for row, ends in enumerate(tokens.argmax(dim=-1).tolist()):
        short = tokens[row : row + 1, : ends + 1].numpy()
        (alone,) = session.run(["embedding"], {"tokens": short})
        np.testing.assert_allclose(alone[0], expected[row], atol=2e-5)


def test_the_text_encoder_takes_texts_with_and_without_their_padding(tiny: ClipModel) -> None:
    _same_texts(tiny)


@pytest.mark.parametrize("storage", ["int8", "mixed", "fp16"])
def test_compact_weights_stay_near_torch(tiny: ClipModel, storage: Storage) -> None:
    basis = head_basis(tiny)[list(LAYERS)].flatten(0, 1)
    pixels = _pixels(tiny)
    session = onnx_session(image_encoder(tiny, LAYERS, basis, storage))
    (found,) = session.run(["coordinates"], {"pixels": pixels.numpy()})
    expected = decompose(tiny, pixels).coordinates[:, list(LAYERS)].flatten(1, 2)
    cosines = torch.nn.functional.cosine_similarity(torch.tensor(found), expected, dim=-1)
    assert float(1 - cosines.min()) <= MAX_ERROR


def test_the_demo_encoders_keep_torchs_answers_and_the_promised_size(tmp_path: Path) -> None:
    model = load_model(f"local-dir:{data_file('demo', 'demo-clip')}", device="cpu")
    layers = range(model.architecture.layers)
    basis = head_basis(model).flatten(0, 1)
    pixels = _pixels(model, images=24)
    coordinates = decompose(model, pixels).coordinates.flatten(1, 2)
    texts = [
        f"{count} {name}" for count in ("a", "two", "many") for name in ("apple", "cat", "sun")
    ]
    tokens = model.tokenize(texts)
    with torch.no_grad():
        embedded = normalize(model.clip.encode_text(tokens), dim=-1)
    text, image = tmp_path / "text.onnx", tmp_path / "image.onnx"
    for fidelity, path in (
        (export_text_encoder(model, tokens, embedded, basis, coordinates, text), text),
        (export_image_encoder(model, layers, basis, pixels, coordinates, image), image),
    ):
        onnx.checker.check_model(str(path), full_check=True)
        assert fidelity == read_fidelity(path)
        assert fidelity.vector_error <= MAX_ERROR
        assert fidelity.cosine_error <= MAX_ENCODER_ERROR
    assert text.stat().st_size + image.stat().st_size <= 12_000_000


@pytest.mark.parametrize("error", [1e-2, 1e-4])
def test_weights_are_stored_as_compactly_as_the_error_allows(
    tiny: ClipModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    basis = head_basis(tiny)[list(LAYERS)].flatten(0, 1)
    pixels = _pixels(tiny)
    coordinates = decompose(tiny, pixels).coordinates[:, list(LAYERS)].flatten(1, 2)
    monkeypatch.setattr(encoders, "MAX_ENCODER_ERROR", error)
    path = tmp_path / "image.onnx"
    fidelity = export_image_encoder(tiny, LAYERS, basis, pixels, coordinates, path)
    assert fidelity.cosine_error <= error
    assert (fidelity.storage == "int8") == (error > 1e-3)


@pytest.mark.parametrize("encoder", ["text", "image"])
def test_an_encoder_that_is_wrong_in_every_storage_is_refused(
    tiny: ClipModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    basis = head_basis(tiny)[list(LAYERS)].flatten(0, 1)
    pixels, path = _pixels(tiny), tmp_path / "encoder.onnx"
    coordinates = decompose(tiny, pixels).coordinates[:, list(LAYERS)].flatten(1, 2)
    tokens = tiny.tokenize(["a cat", "a dog"])
    with torch.no_grad():
        texts = normalize(tiny.clip.encode_text(tokens), dim=-1)
    run = encoders._run
    monkeypatch.setattr(encoders, "_run", lambda *args, **sizes: -run(*args, **sizes))
    export = {
        "text": lambda: export_text_encoder(tiny, tokens, texts, basis, coordinates, path),
        "image": lambda: export_image_encoder(tiny, LAYERS, basis, pixels, coordinates, path),
    }[encoder]
    with pytest.raises(ModelError, match=f"{encoder} encoder of .* even in float32 its cosines"):
        export()
    assert not path.exists()


def test_a_basis_of_another_run_is_followed(tiny: ClipModel, tmp_path: Path) -> None:
    basis = head_basis(tiny)[list(LAYERS)].flatten(0, 1)
    turned = torch.linalg.qr(torch.randn(basis.shape[2], basis.shape[2])).Q
    pixels = _pixels(tiny)
    own = decompose(tiny, pixels).coordinates[:, list(LAYERS)].flatten(1, 2)
    path = tmp_path / "image.onnx"
    fidelity = export_image_encoder(tiny, LAYERS, basis @ turned, pixels, own @ turned, path)
    assert fidelity.vector_error <= MAX_ERROR


def test_facts_of_tokenizer_and_preprocessing_are_open_clips(tiny: ClipModel) -> None:
    tokenizer = tokenizer_facts(tiny)
    assert tokenizer is not None
    row = tiny.tokenize(["a"])[0]
    assert len(row) == tokenizer.context_length == TINY["text_cfg"]["context_length"]
    assert row[0] == tokenizer.start_token
    assert row.max() == tokenizer.end_token
    preprocessing = preprocessing_facts(tiny)
    assert preprocessing.image_size == 64
    assert preprocessing.mean == pytest.approx(import_open_clip().OPENAI_DATASET_MEAN)


def test_what_cannot_be_exported_is_refused_with_the_reason(tiny: ClipModel) -> None:
    ensure_exportable(tiny, text=True, image=True)
    other = replace(tiny, tokenize=lambda texts: torch.zeros(len(texts), 16))
    ensure_exportable(other, text=False, image=True)
    assert tokenizer_facts(other) is None
    with pytest.raises(ModelError, match=r"tokenizer is not CLIP's own; build without --export-te"):
        ensure_exportable(other, text=True, image=True)
    with pytest.raises(ModelError, match="activation is neither"):
        ensure_exportable(
            replace(tiny, clip=_with_activation(torch.nn.ReLU())), text=False, image=True
        )


def _with_activation(activation: torch.nn.Module) -> torch.nn.Module:
    clip: Any = random_clip(tiny_config())
    for block in clip.visual.transformer.resblocks:
        block.mlp.gelu = activation
    return clip
