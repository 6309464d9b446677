"""Small and full-size CLIPs with random weights, and the files in which such weights travel.

open_clip starts biases at zero and LayerNorm weights at one, which would hide mistakes in how they
are shared out; here all of them are random.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model
from clipheads.model.names import LOCAL_DIR
from clipheads.model.open_clip_import import import_open_clip

TINY: dict[str, Any] = {
    "embed_dim": 48,
    "vision_cfg": {"image_size": 64, "layers": 3, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 1,
    },
}


def tiny_config(embed_dim: int = 48, **vision: Any) -> dict[str, Any]:
    """Return the configuration of a tiny CLIP, with changes to its vision tower."""
    return {**TINY, "embed_dim": embed_dim, "vision_cfg": {**TINY["vision_cfg"], **vision}}


def random_clip(config: dict[str, Any], seed: int = 0, *, biases: float = 0.1) -> nn.Module:
    """Return an open_clip module of a configuration, every one of its parameters random.

    Biases and the weights of LayerNorms deviate by `biases` from what open_clip starts with.
    """
    open_clip = import_open_clip()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = open_clip.CLIP(**config)
        with torch.no_grad():
            for parameter in clip.parameters():
                if parameter.ndim == 1:
                    parameter.add_(biases * torch.randn_like(parameter))
    return clip


def write_local_dir(
    folder: Path, config: dict[str, Any], seed: int = 0, *, biases: float = 0.1
) -> Path:
    """Write a random model as a folder that `local-dir:` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {"model_cfg": config, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(description))
    clip = random_clip(config, seed, biases=biases)
    save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def tiny_model(folder: Path, embed_dim: int = 48, **vision: Any) -> ClipModel:
    """Write a tiny random model to a folder and load it."""
    write_local_dir(folder, tiny_config(embed_dim, **vision))
    return load_model(f"{LOCAL_DIR}{folder}", device="cpu")


def vision_of(architecture: str, **vision: Any) -> dict[str, Any]:
    """The configuration of a CLIP with the full-size vision tower of, say, `ViT-B-32`.

    Its text tower is tiny: no contribution to an image depends on it.
    """
    config = import_open_clip().get_model_config(architecture)
    return {
        **config,
        "vision_cfg": {**config["vision_cfg"], **vision},
        "text_cfg": TINY["text_cfg"],
    }
