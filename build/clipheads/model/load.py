"""Load CLIP models of open_clip with the weights and activation that are theirs, or say why not.

A model is named as the ecosystem does, `<open_clip name>_<pretrained tag>`, or `local-dir:PATH`
for a folder in open_clip's own layout. Only what can be decomposed exactly is accepted: vision
transformers of open_clip with class-token pooling and standard attention.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from clipheads.bundle.choices import NumberFormat
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.errors import ModelError, first_line
from clipheads.bundle.model import Weights
from clipheads.model.checkpoints import fit, read_state, refuse_larger
from clipheads.model.clip_model import ClipModel
from clipheads.model.open_clip_import import import_open_clip
from clipheads.model.quiet import quiet
from clipheads.model.sources import Source, find_source, weights_file
from clipheads.model.text import embed_texts
from clipheads.model.vision_transformer import architecture_of, why_unsupported


def load_model(
    name: str,
    *,
    checkpoint: Path | None = None,
    device: str = "auto",
    precision: NumberFormat = "fp32",
) -> ClipModel:
    """Load a model with its weights.

    Args:
        name: `ViT-B-32_openai`, any other `<open_clip name>_<pretrained tag>`, or
            `local-dir:PATH`. With `checkpoint` the tag may be missing or one of your own.
        checkpoint: Local weights instead of a download: a state dict (.pt, .pth, .bin, also
            below "state_dict"), safetensors, or OpenAI's original archive.
        device: `auto` (CUDA, else Apple's MPS, else CPU) or a device of torch.
        precision: see `ClipModel.precision`.

    Raises:
        ModelError: an unknown or unsupported model, an unavailable device, or weights
            that cannot be had, read, or fitted.
    """
    target = find_device(device)
    with quiet():
        source = find_source(name, tag_needed=checkpoint is None)
        reason = why_unsupported(source.config)
        if reason:
            raise ModelError(f"{name} cannot be decomposed exactly: {reason}")
        path = weights_file(source, checkpoint)
        state, is_openai = read_state(path)
        # OpenAI trained with QuickGELU. Its weights fit a model with GELU just as well, which
        # then computes something else without any error.
        quick_gelu = is_openai or bool(source.pretrained.get("quick_gelu"))
        if source.folder is not None:
            refuse_larger(source.config, state, file=path, name=source.name)
        clip, preprocess, tokenize = _build(source, quick_gelu)
        fit(clip, state, file=path, name=source.name)
    clip.eval().requires_grad_(False).to(target)
    if checkpoint is not None:
        origin = path.name
    else:
        origin = source.folder.name if source.folder else source.tag
    model = ClipModel(
        name=source.name,
        clip=clip,
        preprocess=preprocess,
        tokenize=tokenize,
        device=target,
        architecture=architecture_of(clip.visual),
        weights=Weights(source=origin, sha256=sha256_file(path)),
        precision=precision,
    )
    _try_out(model)
    return model


def find_device(name: str) -> torch.device:
    """Return a device of torch by its name; `auto` is CUDA, else Apple's MPS, else the CPU.

    Raises:
        ModelError: if it cannot be used here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # a device that torch only knows by name may miss a whole module
        raise ModelError(
            f"device {name!r} cannot be used here ({first_line(error)}); try --device cpu"
        ) from error
    return device


def _build(
    source: Source, quick_gelu: bool
) -> tuple[Any, Callable[[Image.Image], Tensor], Callable[[list[str]], Tensor]]:
    """Make the module, still without its weights, with its preprocessing and tokenizer."""
    open_clip = import_open_clip()
    preprocessing = ("mean", "std", "interpolation", "resize_mode")
    try:
        clip, _, preprocess = open_clip.create_model_and_transforms(
            source.identifier,
            load_weights=False,
            pretrained_text=False,
            force_quick_gelu=quick_gelu,
            **{
                f"image_{key}": source.pretrained[key]
                for key in preprocessing
                if key in source.pretrained
            },
        )
        tokenize = open_clip.get_tokenizer(source.identifier)
    except Exception as error:  # a configuration can be wrong in any way, a tokenizer offline
        raise ModelError(
            f"{source.name} cannot be built from its configuration "
            f"({type(error).__name__}: {first_line(error)})"
        ) from error
    return clip, preprocess, tokenize


def _try_out(model: ClipModel) -> None:
    """Embed one picture and one text, so that what does not work shows before a build."""
    width = model.architecture.embedding_dim
    ramp = (torch.arange(64 * 64 * 3) % 251).to(torch.uint8).reshape(64, 64, 3)
    try:
        pixels = model.preprocess(Image.fromarray(ramp.numpy())).unsqueeze(0)
        with torch.no_grad():
            picture = model.clip.encode_image(pixels.to(model.device)).float().cpu()
        text = embed_texts(model, ["a picture"])
    except ModelError:
        raise
    except Exception as error:  # a configuration can be wrong in any way
        raise ModelError(
            f"{model.name} cannot embed a picture and a text "
            f"({type(error).__name__}: {first_line(error)})"
        ) from error
    if picture.shape != (1, width) or text.shape != (1, width):
        raise ModelError(
            f"{model.name} embeds a picture in {list(picture.shape[1:])} and a text in "
            f"{list(text.shape[1:])} numbers, expected {width}"
        )
    if not picture.isfinite().all() or not picture.any():
        raise ModelError(
            f"{model.name}: the embedding of a picture is zero or not finite; "
            "the weights are damaged"
        )
