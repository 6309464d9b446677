"""Read the weights of a model from a file that may come from anybody, and fit them to the model."""

import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.bundle.disk.hashing import sha256_stream
from clipheads.bundle.errors import ModelError, first_line, system_reason
from clipheads.model.open_clip_import import import_open_clip

LARGEST_MISFIT = 10
"""A model with so many times the numbers of its checkpoint is not even made to be compared."""
_OPENAI_CONSTANTS = ("input_resolution", "context_length", "vocab_size")


def read_state(path: Path) -> tuple[dict[str, Tensor], bool]:
    """Return the tensors of a checkpoint, and whether it is OpenAI's original archive.

    Raises:
        ModelError: if it cannot be read safely, or holds anything but tensors.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            state: Any = load_file(path)
        elif _is_torchscript(path):
            state = _read_openai_archive(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({system_reason(error)})") from error
    except Exception as error:  # unpickling fails in any way that the bytes of a file can cause
        raise ModelError(
            f"{path} is not a checkpoint that can be read safely: expected a state dict of tensors "
            f"(.pt, .pth, .bin) or safetensors ({type(error).__name__}: {first_line(error)})"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(name, str) for name in state)
        or not all(isinstance(value, Tensor) for value in state.values())
    ):
        raise ModelError(f"{path} holds no state dict: expected a mapping of names to tensors")
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    is_openai = "input_resolution" in state
    return {key: state[key] for key in state if key not in _OPENAI_CONSTANTS}, is_openai


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in member for member in archive.namelist())


def _read_openai_archive(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a TorchScript archive, if it is one that OpenAI published.

    Such an archive is a program, which runs as it is loaded and may write files.
    """
    with path.open("rb") as file:
        digest = sha256_stream(file)
        if digest not in openai_archives():
            raise ModelError(
                f"{path} is a TorchScript archive, which is a program and is not run: its SHA-256 "
                f"{digest} is none of OpenAI's; save its state_dict() as safetensors instead"
            )
        # The very file that was hashed, whatever its name stands for by now.
        file.seek(0)
        state: dict[str, Tensor] = torch.jit.load(file, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
        return state


def openai_archives() -> frozenset[str]:
    """Return the SHA-256 of OpenAI's original archives, which stand in their addresses."""
    open_clip = import_open_clip()
    urls = (
        open_clip.get_pretrained_cfg(model, tag).get("url") or ""
        for model, tag in open_clip.list_pretrained()
    )
    found = (re.search(r"//openaipublic\..*/([0-9a-f]{64})/", url) for url in urls)
    return frozenset(match[1] for match in found if match)


def refuse_larger(
    config: dict[str, Any], state: dict[str, Tensor], *, file: Path, name: str
) -> None:
    """Refuse a configuration far larger than its weights before it takes all memory and time.

    Args:
        config: of open_clip, with `vision_cfg` and `text_cfg`.
        state: the tensors of `file`.
        file: named in the message.
        name: of the model, named in the message.

    Raises:
        ModelError: if the model would have `LARGEST_MISFIT` times the numbers of `state`.
    """
    vision, text = config["vision_cfg"], config["text_cfg"]
    size = vision.get("image_size", 1)
    side = (size[0] if isinstance(size, list | tuple) else size) // vision.get("patch_size", 1)
    # At the least: attention of both towers, positions of patches, embeddings of tokens.
    least = vision.get("width", 1) * side**2 + text.get("width", 1) * text.get("vocab_size", 1)
    least += sum(
        4 * tower.get("layers", 1) * tower.get("width", 1) ** 2 for tower in (vision, text)
    )
    held = sum(tensor.numel() for tensor in state.values())
    if least > LARGEST_MISFIT * held:
        raise ModelError(
            f"{file} does not fit {name}: it holds {held:,} numbers, and a model of that "
            f"configuration has more than {least:,}"
        )


def fit(clip: Any, state: dict[str, Tensor], *, file: Path, name: str) -> None:
    """Load the tensors into the module, all of them and nothing else.

    Raises:
        ModelError: naming the first that is missing, superfluous, damaged, or of another shape.
    """
    from open_clip.model import convert_to_custom_text_state_dict

    expected = clip.state_dict()
    if "positional_embedding" in state and "positional_embedding" not in expected:
        state = convert_to_custom_text_state_dict(state)
    state = {key: state[key] for key in state if not key.endswith("embeddings.position_ids")}
    for scalar in ("logit_scale", "logit_bias"):
        if scalar in state and scalar in expected and state[scalar].numel() == 1:
            state[scalar] = state[scalar].reshape(expected[scalar].shape)

    problems = [
        f"{key} is {list(state[key].shape)}, expected {list(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    problems += [
        f"{key} {list(tensor.shape)} is missing"
        for key, tensor in expected.items()
        if key not in state
    ]
    problems += [
        f"{key} {list(tensor.shape)} is not part of the model"
        for key, tensor in state.items()
        if key not in expected
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ModelError(f"{file} does not fit {name}: {problems[0]}{more}")
    for key, tensor in state.items():
        damage = _damage(key, tensor)
        if damage:
            raise ModelError(f"{file}: {key} {damage}; the weights are damaged")
    clip.load_state_dict(state)


def _damage(name: str, tensor: Tensor) -> str:
    """Return what is wrong with a tensor of weights; nothing if it can be used.

    A bias may well be zero everywhere; anything else that is zero passes nothing on.
    """
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return "is no plain tensor"
    if not tensor.is_floating_point():
        return f"holds {str(tensor.dtype).removeprefix('torch.')}, not floating-point numbers"
    if tensor.numel() == 0:
        return "is empty"
    low, high = tensor.detach().float().aminmax()
    if not (low.isfinite() and high.isfinite()):
        return "holds numbers that are not finite"
    if not low and not high and not name.endswith("bias"):
        return "is zero everywhere"
    return ""
