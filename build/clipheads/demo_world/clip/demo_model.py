"""The demo CLIP as a model: its configuration in open_clip's words, and its folder on disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from clipheads.bundle.errors import AtlasError
from clipheads.demo_world.clip.losses import Clip
from clipheads.model.open_clip_import import import_open_clip

MODEL_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": 64,
        "patch_size": 8,
        "width": 192,
        "layers": 6,
        "head_width": 32,
        "mlp_ratio": 4.0,
    },
    "text_cfg": {
        "context_length": 24,
        "vocab_size": 49408,
        "width": 128,
        "heads": 4,
        "layers": 3,
    },
}
"""A ViT with a class token, 6 layers and 6 heads in each."""

PREPROCESSING: dict[str, Any] = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def model_config(vision: Mapping[str, int]) -> dict[str, Any]:
    """Return the demo CLIP's configuration with another vision transformer.

    Args:
        vision: what differs, in open_clip's words: "layers", "width", "head_width", "patch_size".

    Raises:
        AtlasError: if heads do not fill the width, or patches the picture.
    """
    config = {**MODEL_CONFIG, "vision_cfg": {**MODEL_CONFIG["vision_cfg"], **vision}}
    shape = config["vision_cfg"]
    for part, whole in (("head_width", "width"), ("patch_size", "image_size")):
        if shape[whole] % shape[part]:
            raise AtlasError(
                f"{part} {shape[part]} does not divide {whole} {shape[whole]}; choose one that does"
            )
    return config


def new_clip(config: Mapping[str, Any]) -> Clip:
    """Make a CLIP with random weights."""
    open_clip = import_open_clip()
    return open_clip.CLIP(
        embed_dim=config["embed_dim"],
        vision_cfg=open_clip.CLIPVisionCfg(**config["vision_cfg"]),
        text_cfg=open_clip.CLIPTextCfg(**config["text_cfg"]),
    )


def save_demo_clip(clip: Clip, config: dict[str, Any], out: Path) -> None:
    """Write a model folder that open_clip reads as `local-dir:`, weights in fp16."""
    out.mkdir(parents=True, exist_ok=True)
    description = {"model_cfg": config, "preprocess_cfg": PREPROCESSING}
    (out / "open_clip_config.json").write_text(json.dumps(description, indent=2) + "\n")
    weights = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in clip.state_dict().items()
    }
    save_file(weights, out / "open_clip_model.safetensors")
