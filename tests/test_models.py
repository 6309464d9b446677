"""Models of every name load with the activation that is theirs, or fail with one clear line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import TINY, random_clip, tiny_config, write_local_dir
from model_loading import TINY_NAME, failure, features

from clipheads.bundle.errors import ModelError
from clipheads.model.load import load_model
from clipheads.model.names import PAPER_MODELS
from clipheads.model.open_clip_import import import_open_clip
from clipheads.model.sources import pretrained_models


def test_the_paper_models_are_known_and_supported() -> None:
    supported = {model.name for model in pretrained_models() if model.supported}
    assert set(PAPER_MODELS) <= supported


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("RN50_openai", "ResNet"),
        ("ViT-B-16-SigLIP_webli", "timm"),
        ("coca_ViT-B-32_laion2b_s13b_b90k", "attention"),
        ("ViT-H-14-CLIPA_datacomp1b", "averaging"),
    ],
)
def test_what_cannot_be_decomposed_is_listed_with_the_reason(name: str, reason: str) -> None:
    model = next(model for model in pretrained_models() if model.name == name)
    assert not model.supported
    assert reason in model.reason
    assert reason in failure(name)


def test_an_unknown_model_brings_close_matches() -> None:
    message = failure("ViT-B32_openai")
    assert "unknown model 'ViT-B32_openai'" in message
    assert "ViT-B-32_openai" in message


def test_an_unknown_tag_brings_tags_of_that_architecture() -> None:
    message = failure("ViT-L-14_laion2b_s32b")
    assert "ViT-L-14_laion2b_s32b_b82k" in message


def test_an_architecture_without_weights_is_an_error_and_not_a_random_model() -> None:
    assert "unknown model 'ViT-B-32'" in failure("ViT-B-32")


def test_names_with_hyphens_and_tags_with_underscores_are_taken_apart(checkpoint: Path) -> None:
    name = "ViT-B-32_datacomp_m_s128m_b4k"
    model = load_model(name, checkpoint=checkpoint, device="cpu")
    assert model.name == name
    assert not model.architecture.quick_gelu


def test_weights_of_ones_own_may_have_any_tag(checkpoint: Path) -> None:
    for name in ("ViT-B-32", "ViT-B-32_mine"):
        assert load_model(name, checkpoint=checkpoint, device="cpu").name == name


def test_openai_weights_get_quick_gelu_from_a_local_file_too(checkpoint: Path) -> None:
    openai = load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")
    expected = random_clip({**TINY, "quick_gelu": True}).eval()
    assert openai.architecture.quick_gelu
    with torch.no_grad():
        pixels = torch.randn(2, 3, 64, 64)
        assert torch.equal(openai.clip.encode_image(pixels), expected.encode_image(pixels))


def test_other_weights_get_plain_gelu(checkpoint: Path) -> None:
    openai = load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")
    other = load_model("ViT-B-32_laion2b_s34b_b79k", checkpoint=checkpoint, device="cpu")
    assert not other.architecture.quick_gelu
    assert not torch.allclose(features(openai), features(other), atol=1e-5)


def test_every_tag_gets_the_activation_that_open_clip_records(checkpoint: Path) -> None:
    open_clip = import_open_clip()
    tags = [tag for model, tag in open_clip.list_pretrained() if model == TINY_NAME]
    assert {"openai", "metaclip_400m", "laion400m_e32"} <= set(tags)
    for tag in ("openai", "metaclip_400m", "laion400m_e32"):
        model = load_model(f"{TINY_NAME}_{tag}", checkpoint=checkpoint, device="cpu")
        recorded = open_clip.get_pretrained_cfg(TINY_NAME, tag).get("quick_gelu", False)
        assert model.architecture.quick_gelu == recorded


def test_a_model_is_frozen_and_in_evaluation_mode(checkpoint: Path) -> None:
    model = load_model("ViT-B-32", checkpoint=checkpoint, device="cpu")
    assert not model.clip.training
    assert not any(parameter.requires_grad for parameter in model.clip.parameters())
    assert {parameter.dtype for parameter in model.clip.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("vision", "reason"),
    [
        ({"pool_type": "avg"}, "averaging"),
        ({"attentional_pool": True}, "attention"),
        ({"layers": [2, 2, 2, 2]}, "ResNet"),
        ({"image_size": [64, 32]}, "not square"),
        ({"timm_model_name": "vit_tiny_patch16_224"}, "timm"),
        ({"scale_heads": True}, "scale_heads"),
        ({"block_type": "custom"}, "custom"),
        ({"norm_kwargs": {"elementwise_affine": False}}, "LayerNorm"),
    ],
)
def test_unsupported_vision_towers_are_refused_with_the_reason(
    vision: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    config = {"model_cfg": tiny_config(**vision)}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    message = failure(f"local-dir:{tmp_path}")
    assert "cannot be decomposed exactly" in message
    assert reason in message


def test_an_unknown_or_absent_device(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "tiny", TINY)
    absent = "toaster" if torch.cuda.is_available() else "cuda"
    for name in ("toaster", "hpu", "privateuseone", "meta", absent):
        with pytest.raises(ModelError, match=f"device '{name}' cannot be used here"):
            load_model(f"local-dir:{folder}", device=name)


def test_auto_takes_what_is_there(tmp_path: Path) -> None:
    folder = write_local_dir(tmp_path / "tiny", TINY)
    model = load_model(f"local-dir:{folder}")
    assert model.device.type in ("cpu", "cuda", "mps")
    assert next(model.clip.parameters()).device.type == model.device.type
