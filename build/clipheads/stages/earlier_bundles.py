"""Take up bundles from before there was a list of files: what is provably ours, and no more."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from clipheads.bundle.disk.atomic_files import remove
from clipheads.bundle.disk.owned_files import LIST, Made, adopt
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.record import FORMAT

FILES = {
    "contributions": r"(basis|coordinates|statistics)\.safetensors",
    "descriptions": r"descriptions\.safetensors",
    "pool": r"pool\.json",
    "topics": r"topics\.(safetensors|json)",
    "textspan": r"(textspan\.json|yardsticks\.safetensors)",
    "checkpoint": r"checkpoint\.json",
    "attention": r"(attention|outliers)\.safetensors",
    "labels": r"labels\.json",
    "neighbours": r"neighbours\.safetensors",
    "map noise": r"map-noise\.safetensors",
    "answers": r"answers\.json",
    "heat maps": r"heatmaps\.safetensors",
    "profile": r"profile\.json",
    "ablation": r"ablation\.json",
    "directions": r"directions\.safetensors",
    "spread": r"principal\.safetensors",
    "relatives": r"relatives\.json",
    "projections": r"projections\.onnx",
    "text encoder": r"search/text-encoder\.onnx",
    "image encoder": r"search/image-encoder\.onnx",
    "search": (
        r"search/((search|texts)\.json|(basis|coordinates|embeddings|texts|property-[^/]+)\.bin)"
    ),
    "records": r"(model|images)\.json|heads/L\d+\.H\d+\.json",
    "ground truth": r"ground-truth\.json",
}
"""What each stage wrote into the folder of a model."""

_SHARDS = re.compile(r"\.(contributions|descriptions|topics|heat-maps)-[0-9a-f]{16}")


def adopt_earlier(folder: Path) -> None:
    """Start the list of an atlas or of a bundle that was made before there were lists.

    Its stages are made again, for nothing says whether its files are whole. A folder that has a
    list, or in which nothing proves that it is ours, is left as it is.
    """
    if _is_list(folder):
        return
    made: dict[str, Made] = {}
    if gallery := _gallery(folder):
        made["gallery"] = _made(gallery)
    if _is_earlier_list(folder) or _is_bundle(folder):
        files = [path.relative_to(folder).as_posix() for path in folder.glob("**/*")]
        for stage, pattern in FILES.items():
            if found := [file for file in files if re.fullmatch(pattern, file)]:
                made[stage] = _made(found)
        for path in folder.iterdir():
            if _SHARDS.fullmatch(path.name):
                remove(path)
    if made or _is_earlier_list(folder):
        adopt(folder, made)


def _made(files: Iterable[str]) -> Made:
    return Made(key=None, files=dict.fromkeys(files, ""))


def _is_list(folder: Path) -> bool:
    return isinstance(_content(folder / LIST).get("program"), str)


def _is_earlier_list(folder: Path) -> bool:
    """Whether `stages.json` holds the keys of stages, by their names."""
    content = _content(folder / LIST)
    return bool(content) and all(
        stage in {*FILES, "gallery"} and isinstance(key, str) and len(key) == 64
        for stage, key in content.items()
    )


def _as_now(file: Path) -> dict[str, object]:
    """A record of the first bundle format, as this version reads it."""
    content = _content(file)
    return content | {"format": FORMAT} if content.get("format") == 1 else content


def _content(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_bundle(folder: Path) -> bool:
    try:
        record = ModelRecord.model_validate(_as_now(folder / "model.json"))
    except ValidationError:
        return False
    return record.name == folder.name


def _gallery(folder: Path) -> list[str]:
    """The files of a gallery in `folder` whose manifest says that it is one of an atlas."""
    try:
        manifest = GalleryManifest.model_validate(_as_now(folder / "gallery" / "manifest.json"))
    except ValidationError:
        return []
    names = {"manifest.json", *(f"{image.id}.webp" for image in manifest.images)}
    return sorted(f"gallery/{name}" for name in names if re.fullmatch(r"[\w.-]+", name))
