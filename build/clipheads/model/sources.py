"""Where a model comes from: a pretrained tag of open_clip, or a folder in open_clip's layout."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from clipheads.bundle.errors import ModelError, first_line, system_reason
from clipheads.model.config import read_model_config
from clipheads.model.names import LOCAL_DIR
from clipheads.model.open_clip_import import import_open_clip
from clipheads.model.vision_transformer import why_unsupported

_WEIGHT_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)


class PretrainedModel(NamedTuple):
    """A pretrained model of open_clip."""

    name: str
    supported: bool
    reason: str
    """Why it is not supported; empty if it is."""


class Source(NamedTuple):
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


def find_source(name: str, *, tag_needed: bool) -> Source:
    """Find what a model's name stands for, without reading any weight.

    Args:
        name: `<open_clip name>_<pretrained tag>` or `local-dir:PATH`.
        tag_needed: Whether the tag must be one of open_clip's.

    Raises:
        ModelError: if there is no such model or folder.
    """
    if name.startswith(LOCAL_DIR):
        return _local_source(name)
    return _named_source(name, tag_needed=tag_needed)


def pretrained_models() -> list[PretrainedModel]:
    """List every pretrained model of open_clip, with the reason where it is not supported."""
    open_clip = import_open_clip()
    models = []
    for identifier, tag in open_clip.list_pretrained():
        config = open_clip.get_model_config(identifier)
        reason = why_unsupported(config) if config else "open_clip has no configuration for it"
        models.append(PretrainedModel(f"{identifier}_{tag}", not reason, reason))
    return models


def _named_source(name: str, *, tag_needed: bool) -> Source:
    open_clip = import_open_clip()
    pretrained = {f"{model}_{tag}": (model, tag) for model, tag in open_clip.list_pretrained()}
    if name in pretrained:
        identifier, tag = pretrained[name]
        record = dict(open_clip.get_pretrained_cfg(identifier, tag))
    else:
        architectures = [
            identifier
            for identifier in open_clip.list_models()
            if name == identifier or name.startswith(f"{identifier}_")
        ]
        if tag_needed or not architectures:
            raise ModelError(_unknown(name, architectures, list(pretrained)))
        identifier = max(architectures, key=len)
        tag, record = name.removeprefix(identifier).removeprefix("_"), {}
    config = open_clip.get_model_config(identifier)
    if config is None:
        raise ModelError(f"{name}: open_clip has no configuration for {identifier}")
    return Source(name, identifier, config, record, tag, folder=None)


def _unknown(name: str, architectures: list[str], pretrained: list[str]) -> str:
    close = difflib.get_close_matches(name, pretrained, n=3, cutoff=0.5)
    if architectures:
        identifier = max(architectures, key=len)
        tags = [model for model in pretrained if model.startswith(f"{identifier}_")]
        close = difflib.get_close_matches(name, tags, n=3, cutoff=0.0) or close
    hint = f"did you mean {', '.join(close)}?" if close else "see `head-atlas models`"
    return f"unknown model {name!r} (expected NAME_TAG of open_clip or local-dir:PATH); {hint}"


def _local_source(name: str) -> Source:
    try:
        folder = Path(name.removeprefix(LOCAL_DIR)).expanduser()
        is_folder = folder.is_dir()
    # RuntimeError: there is no user of that name.
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{name}: cannot be read ({first_line(error)})") from error
    if not is_folder:
        raise ModelError(f"{name}: there is no folder {folder}")
    config = read_model_config(folder)
    return Source(
        folder.resolve().name, f"{LOCAL_DIR}{folder}", config, {}, "", folder=folder.resolve()
    )


def weights_file(source: Source, checkpoint: Path | None) -> Path:
    """Return the file of a model's weights, downloaded if need be.

    Args:
        source: of `find_source`.
        checkpoint: The user's own file, which goes before.

    Raises:
        ModelError: if there is none, or it cannot be downloaded.
    """
    if checkpoint is not None:
        try:
            is_file = checkpoint.is_file()
        except OSError as error:
            raise ModelError(f"{checkpoint}: cannot be read ({system_reason(error)})") from error
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


def _download(source: Source) -> Path:
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
        f"{' and '.join(tried) or 'nothing, as open_clip has no address'}; "
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
