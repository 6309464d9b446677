"""Load CLIP models of open_clip, with weights that are surely theirs, or say why not.

A model is named as the ecosystem does, `<open_clip name>_<pretrained tag>`, or `local-dir:PATH`
for a folder in open_clip's own layout. Only what can be decomposed exactly is accepted: vision
transformers of open_clip with class-token pooling and standard attention.
"""

import difflib
import hashlib
import logging
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.bundle.errors import ModelError
from clipheads.bundle.model import Architecture, NumberFormat, Weights
from clipheads.model.config import read_model_config
from clipheads.model.names import LOCAL_DIR
from clipheads.model.open_clip_import import import_open_clip

PAPER_MODELS: tuple[str, ...] = (
    "ViT-B-32_openai",
    "ViT-B-32_datacomp_m_s128m_b4k",
    "ViT-B-16_openai",
    "ViT-B-16_laion2b_s34b_b88k",
    "ViT-L-14_openai",
    "ViT-L-14_laion2b_s32b_b82k",
)

_WEIGHT_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)
LARGEST_MISFIT = 10
"""A model with so many times the numbers of its checkpoint is not even made to be compared."""
_OPENAI_CONSTANTS = ("input_resolution", "context_length", "vocab_size")


@dataclass(frozen=True, eq=False)
class ClipModel:
    """A CLIP that can be decomposed: frozen, its weights float32, in evaluation mode."""

    name: str
    clip: Any
    """The open_clip module, `CLIP` or `CustomTextCLIP`; open_clip has no types."""
    preprocess: Callable[[Image.Image], Tensor]
    """A picture to pixels [3, S, S]."""
    tokenize: Callable[[list[str]], Tensor]
    """Texts to tokens [n, context]."""
    device: torch.device
    architecture: Architecture
    weights: Weights
    precision: NumberFormat = "fp32"
    """Below fp32 the vision transformer multiplies matrices in those numbers; the residual stream,
    the layer norms and what is computed of the terms stay float32."""


class KnownModel(NamedTuple):
    """One pretrained model that open_clip knows."""

    name: str
    supported: bool
    reason: str
    """Why it is not supported; empty if it is."""


class _Source(NamedTuple):
    """Where a model comes from, before any weight is read."""

    name: str
    """As in URLs."""
    identifier: str
    """What open_clip calls the architecture."""
    config: dict[str, Any]
    pretrained: dict[str, Any]
    """open_clip's record of the weights: hub, URL, preprocessing; empty if local."""
    tag: str
    folder: Path | None


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
        ModelError: an unknown or unsupported model, a device that is not there, or weights
            that cannot be had, read, or fitted.
    """
    target = find_device(device)
    with _quiet():
        source = (
            _local_source(name)
            if name.startswith(LOCAL_DIR)
            else _named_source(name, tag_needed=checkpoint is None)
        )
        reason = _why_unsupported(source.config)
        if reason:
            raise ModelError(f"{name} cannot be decomposed exactly: {reason}")
        path = _weights_file(source, checkpoint)
        state, is_openai = _read_state(path)
        # OpenAI trained with QuickGELU. Its weights fit a model with GELU just as well, which
        # then computes something else without any error.
        quick_gelu = is_openai or bool(source.pretrained.get("quick_gelu"))
        if source.folder is not None:
            _refuse_larger(source, state, path)
        clip, preprocess, tokenize = _build(source, quick_gelu)
        _fit(clip, state, file=path, name=source.name)
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
        architecture=_architecture(clip),
        weights=Weights(source=origin, sha256=_sha256(path)),
        precision=precision,
    )
    _try_out(model)
    return model


def embed_texts(model: ClipModel, texts: Sequence[str], batch_size: int = 256) -> Tensor:
    """Return unit text embeddings [n, D], float32 on the CPU.

    Raises:
        ModelError: if one is zero or not finite.
    """
    tokens = model.tokenize(list(texts)) if texts else torch.zeros(0, 1, dtype=torch.long)
    # Texts of like length go together, so that a batch is cut to what it needs.
    order = (tokens != 0).sum(dim=1).argsort(stable=True)
    embedded = torch.empty(len(texts), model.architecture.embedding_dim)
    with torch.no_grad():
        for start in range(0, len(texts), batch_size):
            chosen = order[start : start + batch_size]
            features = _encode_text(model.clip, tokens[chosen].to(model.device)).float().cpu()
            if not features.isfinite().all() or not features.any(dim=1).all():
                raise ModelError(
                    f"{model.name}: the embedding of a text is zero or not finite; "
                    "the weights are damaged"
                )
            embedded[chosen] = normalize(features, dim=-1)
    return embedded


def texts_cut(model: ClipModel, texts: Sequence[str]) -> list[str]:
    """Return the texts that are longer than the model's context and lose their end.

    Only CLIP's own tokenizer can be asked; of another one the list is empty.
    """
    encode = getattr(model.tokenize, "encode", None)
    if encode is None or not texts:
        return []
    room = model.tokenize([""]).shape[1] - 2  # beside the start and the end token
    return [text for text in texts if len(encode(text)) > room]


def _encode_text(clip: Any, tokens: Tensor) -> Tensor:
    """Encode tokens [n, context] without the padding behind the longest text.

    In CLIP's own text tower attention is causal and the end token is read out, so that nothing
    behind it has any influence: a description has 6 of 77 tokens on average.
    """
    features: Tensor
    if getattr(clip, "text_pool_type", "") != "argmax" or getattr(clip, "attn_mask", None) is None:
        features = clip.encode_text(tokens)
        return features
    used = int(tokens.argmax(dim=-1).max()) + 1
    shortened = {
        "positional_embedding": clip.positional_embedding[:used],
        "attn_mask": clip.attn_mask[:used, :used],
    }
    result = torch.func.functional_call(clip, shortened, (None, tokens[:, :used]))
    features = result["text_features"] if isinstance(result, dict) else result[1]
    return features


def known_models() -> list[KnownModel]:
    """List every pretrained model of open_clip, with the reason where it is not supported."""
    open_clip = import_open_clip()
    models = []
    for identifier, tag in open_clip.list_pretrained():
        config = open_clip.get_model_config(identifier)
        reason = _why_unsupported(config) if config else "open_clip has no configuration for it"
        models.append(KnownModel(f"{identifier}_{tag}", not reason, reason))
    return models


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
            f"device {name!r} cannot be used here ({_first_line(error)}); try --device cpu"
        ) from error
    return device


def _named_source(name: str, *, tag_needed: bool) -> _Source:
    open_clip = import_open_clip()
    pretrained = {f"{model}_{tag}": (model, tag) for model, tag in open_clip.list_pretrained()}
    if name in pretrained:
        identifier, tag = pretrained[name]
        record = dict(open_clip.get_pretrained_cfg(identifier, tag))
    else:
        architectures = [
            known
            for known in open_clip.list_models()
            if name == known or name.startswith(f"{known}_")
        ]
        if tag_needed or not architectures:
            raise ModelError(_unknown(name, architectures, list(pretrained)))
        identifier = max(architectures, key=len)
        tag, record = name.removeprefix(identifier).removeprefix("_"), {}
    config = open_clip.get_model_config(identifier)
    if config is None:
        raise ModelError(f"{name}: open_clip has no configuration for {identifier}")
    return _Source(name, identifier, config, record, tag, folder=None)


def _unknown(name: str, architectures: list[str], pretrained: list[str]) -> str:
    close = difflib.get_close_matches(name, pretrained, n=3, cutoff=0.5)
    if architectures:
        identifier = max(architectures, key=len)
        tags = [known for known in pretrained if known.startswith(f"{identifier}_")]
        close = difflib.get_close_matches(name, tags, n=3, cutoff=0.0) or close
    hint = f"did you mean {', '.join(close)}?" if close else "see `head-atlas models`"
    return f"unknown model {name!r} (expected NAME_TAG of open_clip or local-dir:PATH); {hint}"


def _local_source(name: str) -> _Source:
    try:
        folder = Path(name.removeprefix(LOCAL_DIR)).expanduser()
        is_folder = folder.is_dir()
    # RuntimeError: there is no user of that name.
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{name}: cannot be read ({_first_line(error)})") from error
    if not is_folder:
        raise ModelError(f"{name}: there is no folder {folder}")
    config = read_model_config(folder)
    return _Source(
        folder.resolve().name, f"{LOCAL_DIR}{folder}", config, {}, "", folder=folder.resolve()
    )


def _why_unsupported(config: dict[str, Any]) -> str:
    """Return what stands against an exact decomposition; an empty string if nothing does."""
    vision = config["vision_cfg"]
    custom = ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn")
    if vision.get("timm_model_name"):
        return f"its vision tower is a timm trunk ({vision['timm_model_name']})"
    if isinstance(vision.get("layers"), list | tuple):
        return "its vision tower is a ResNet with attentional pooling, not a vision transformer"
    if vision.get("attentional_pool"):
        return "it pools with attention instead of reading the class token"
    if vision.get("pool_type", "tok") == "avg":
        return "it pools by averaging patches instead of reading the class token"
    if vision.get("pool_type", "tok") != "tok":
        return "it does not read its embedding from the class token"
    size = vision.get("image_size")
    if isinstance(size, list | tuple) and len(set(size)) != 1:
        return f"its pictures are not square ({' x '.join(map(str, size))} pixels)"
    used = [option for option in (*custom, "scale_fc") if vision.get(option)]
    if used or vision.get("block_type", "default") not in (None, "default"):
        return f"its attention blocks are not the standard ones ({', '.join(used) or 'custom'})"
    if not (vision.get("norm_kwargs") or {}).get("elementwise_affine", True):
        return "its final LayerNorm has no weights"
    return ""


def _weights_file(source: _Source, checkpoint: Path | None) -> Path:
    if checkpoint is not None:
        try:
            is_file = checkpoint.is_file()
        except OSError as error:
            raise ModelError(f"{checkpoint}: cannot be read ({error.strerror})") from error
        if not is_file:
            raise ModelError(f"there is no checkpoint file {checkpoint}")
        return checkpoint
    if source.folder is None:
        return _download(source)
    for candidate in _WEIGHT_FILES:
        if (source.folder / candidate).is_file():
            return source.folder / candidate
    suffixes = (".safetensors", ".bin", ".pt", ".pth")
    found = sorted(file for file in source.folder.iterdir() if file.suffix in suffixes)
    if len(found) != 1:
        listed = ", ".join(file.name for file in found) or "none"
        raise ModelError(
            f"{source.folder} should hold one file of weights ({_WEIGHT_FILES[0]}), "
            f"found {listed}; `--checkpoint FILE` names one"
        )
    return found[0]


def _download(source: _Source) -> Path:
    """Fetch the weights of a pretrained tag, from the Hugging Face hub or else by URL."""
    fetch = import_open_clip().download_pretrained
    hub, url = source.pretrained.get("hf_hub"), source.pretrained.get("url")
    tried = []
    if hub:
        from_hub = {**source.pretrained, "url": ""}
        # What was downloaded before needs no network.
        with _hub_cache_alone(), suppress(Exception):
            return Path(fetch(from_hub))
        # Left alone, the hub's library would retry for most of a minute.
        if _hub_answers():
            try:
                return Path(fetch(from_hub))
            except Exception as error:  # any library below may fail in its own way
                tried.append(f"hf-hub:{hub} ({type(error).__name__})")
        else:
            tried.append(f"hf-hub:{hub} (no connection)")
    if url:
        try:
            return Path(fetch({**source.pretrained, "hf_hub": ""}))
        except Exception as error:
            tried.append(f"{url} ({type(error).__name__})")
    raise ModelError(
        f"the weights of {source.name} could not be downloaded; tried "
        f"{' and '.join(tried) or 'nothing, as open_clip knows no place'}; "
        "`--checkpoint FILE` takes a local file"
    )


@contextmanager
def _hub_cache_alone() -> Iterator[None]:
    """Let the hub's library look into its cache and no further."""
    from huggingface_hub import constants

    previous = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = previous


def _hub_answers() -> bool:
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception:  # which errors there are depends on the version of the hub's library
        return False
    return True


def _read_state(path: Path) -> tuple[dict[str, Tensor], bool]:
    """Return the tensors of a checkpoint, and whether it is OpenAI's original archive."""
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
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # unpickling fails in any way that the bytes of a file can cause
        raise ModelError(
            f"{path} is not a checkpoint that can be read safely: expected a state dict of tensors "
            f"(.pt, .pth, .bin) or safetensors ({type(error).__name__}: {_first_line(error)})"
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
        digest = hashlib.file_digest(file, "sha256").hexdigest()
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


def _refuse_larger(source: _Source, state: dict[str, Tensor], file: Path) -> None:
    """Refuse a configuration far larger than its weights before it takes all memory and time."""
    vision, text = source.config["vision_cfg"], source.config["text_cfg"]
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
            f"{file} does not fit {source.name}: it holds {held:,} numbers, and a model of that "
            f"configuration has more than {least:,}"
        )


def _build(
    source: _Source, quick_gelu: bool
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
            f"({type(error).__name__}: {_first_line(error)})"
        ) from error
    return clip, preprocess, tokenize


def _fit(clip: Any, state: dict[str, Tensor], *, file: Path, name: str) -> None:
    """Load the tensors, all of them and nothing else."""
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
            f"({type(error).__name__}: {_first_line(error)})"
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


def _architecture(clip: Any) -> Architecture:
    visual = clip.visual
    blocks = visual.transformer.resblocks
    heads = blocks[0].attn.num_heads
    width = visual.transformer.width
    rows, columns = visual.grid_size
    return Architecture(
        layers=len(blocks),
        heads=heads,
        d_head=width // heads,
        width=width,
        embedding_dim=visual.output_dim,
        image_size=visual.image_size[0],
        patch_size=visual.patch_size[0],
        grid=(rows, columns),
        quick_gelu=type(blocks[0].mlp.gelu).__name__ == "QuickGELU",
        parameters=sum(parameter.numel() for parameter in visual.parameters()),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no reason given"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip's log lines and warnings away: what matters is raised."""
    root = logging.getLogger()
    silencer = logging.NullHandler()  # without any handler, logging would add a printing one
    root.addHandler(silencer)
    previous = root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
        root.removeHandler(silencer)
