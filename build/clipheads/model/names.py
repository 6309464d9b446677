"""What a model is called in an atlas, and that no model takes the place of another.

A folder of the atlas belongs to the model that it was first built for: a tag of open_clip, or a
model folder by where it lies seen from the atlas, so that both can be moved together. Training
that folder anew and building again is welcome; a folder elsewhere needs a name of its own.
"""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.disk.owned_files import made_in, publish, read_list, scratch_folder
from clipheads.bundle.errors import ModelError
from clipheads.bundle.names import why_no_model_name

LOCAL_DIR = "local-dir:"

ORIGIN = "origin"
"""Maker in the list of a bundle's folder; its key says where the model comes from."""

PAPER_MODELS: tuple[str, ...] = (
    "ViT-B-32_openai",
    "ViT-B-32_datacomp_m_s128m_b4k",
    "ViT-B-16_openai",
    "ViT-B-16_laion2b_s34b_b88k",
    "ViT-L-14_openai",
    "ViT-L-14_laion2b_s32b_b82k",
)
"""The models of the published study of all heads."""

REMEDY = "build it with --name NAME, or into another --atlas"


def folder_name(model: str) -> str:
    """Return the name of a model's folder and address.

    Raises:
        ModelError: if a folder of the atlas cannot have that name.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", model).lstrip(".-")
    if reason := why_no_model_name(name):
        raise ModelError(f"a model cannot be called {model!r}: {reason}; {REMEDY}")
    return name


def own_name(name: str) -> str:
    """Return a name that a user gives a model, which has to be that of its folder as it is.

    Raises:
        ModelError: if a folder of the atlas cannot have that name.
    """
    folder = folder_name(name)
    if folder != name:
        raise ModelError(
            f"a model cannot be called {name!r}: a name has letters, digits and . _ - alone, and "
            f"begins with none of . and -; try --name {folder}"
        )
    return name


def refuse_one_name_twice(models: Sequence[str]) -> None:
    """Make sure that models which are to be built together get names of their own.

    Names that differ only in case count as one, as many file systems take them for one.

    Raises:
        ModelError: naming the first two that do not.
    """
    taken: dict[str, str] = {}
    for model in models:
        local = model.startswith(LOCAL_DIR)
        own = Path(os.path.realpath(_folder(model))).name if local else model
        before = taken.setdefault(folder_name(own).casefold(), model)
        if before != model:
            raise ModelError(
                f"{before} and {model} would both be called {own}; build them one by "
                "one, and one of them with --name NAME"
            )


def refuse_other_case(folder: Path) -> None:
    """Make sure that nothing in the atlas has the name of `folder` in another case.

    Raises:
        ModelError: if something has.
    """
    for other in folder.parent.iterdir():
        if other.name != folder.name and other.name.casefold() == folder.name.casefold():
            raise ModelError(
                f"{folder}: {other} exists already, and many file systems take the two names "
                f"for one; {REMEDY}"
            )


def claim_folder(folder: Path, model: str, weights_sha256: str) -> None:
    """Make sure that a bundle's folder is free for a model, and note that it is the model's.

    Args:
        folder: of the bundle, in its atlas; it exists.
        model: as the user named it.
        weights_sha256: of the weights; another origin with the same weights is the same model.

    Raises:
        ModelError: if the folder holds another model.
    """
    origin = sha256_json(_origin(model, folder.parent))
    before = read_list(folder).made.get(ORIGIN)
    if before is not None and before.key != origin and _weights(folder) != weights_sha256:
        raise ModelError(
            f"{folder}: holds another model of this name, and {model} would replace it; {REMEDY}"
            f", or remove {folder}"
        )
    if before is None or before.key != origin:
        with scratch_folder(folder, ORIGIN) as scratch:
            publish(folder, scratch, {ORIGIN: made_in(scratch, origin)})


def _origin(model: str, atlas: Path) -> str:
    if not model.startswith(LOCAL_DIR):
        return model
    path = os.path.realpath(_folder(model))
    with suppress(ValueError):  # on another drive
        path = os.path.relpath(path, os.path.realpath(atlas))
    return LOCAL_DIR + Path(path).as_posix()


def _folder(model: str) -> str:
    # Unlike `Path.expanduser`, it leaves the home of an unknown user as it is.
    return os.path.expanduser(model.removeprefix(LOCAL_DIR))  # noqa: PTH111


def _weights(folder: Path) -> object:
    """SHA-256 of the weights that a bundle of any format says it is of; None if it says none."""
    try:
        return json.loads((folder / "model.json").read_bytes())["weights"]["sha256"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
