"""What the search page loads of a model: the folder `search/` of its bundle.

The files are described in docs/search-format.md. `search.json` names all of them and is written
last, so that a folder that has it is whole.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.binary_rows import write_rows
from clipheads.bundle import (
    Preprocessing,
    PropertyRecord,
    SearchFile,
    SearchProperty,
    SearchRecord,
    Tokenizer,
)
from clipheads.errors import AtlasError
from clipheads.neighbours import property_vectors
from clipheads.onnx_graph import read_fidelity
from clipheads.records import Findings, head_id
from clipheads.stages import replacing, sha256_file

FOLDER = "search"
RECORD = "search.json"

Encoder = Literal["text", "image"]


def encoder_file(encoder: Encoder) -> str:
    """The name of an encoder's file in the folder `search/`."""
    return f"{encoder}-encoder.onnx"


def close_search(folder: Path) -> None:
    """Count the search files of a bundle as not whole, before one of them is replaced."""
    (folder / FOLDER).mkdir(exist_ok=True)
    (folder / FOLDER / RECORD).unlink(missing_ok=True)


def search_outputs(folder: Path) -> list[str]:
    """The files of a bundle's search, from the bundle's folder."""
    names = [f"{FOLDER}/{RECORD}"]
    try:
        record = SearchRecord.model_validate_json((folder / FOLDER / RECORD).read_bytes())
    except (OSError, ValidationError):
        return names
    return names + [f"{FOLDER}/{file.name}" for file in record.files.values()]


def write_search(
    folder: Path,
    findings: Findings,
    *,
    gallery_sha256: str,
    properties: Sequence[PropertyRecord],
    grid: tuple[int, int],
    preprocessing: Preprocessing,
    tokenizer: Tokenizer | None,
    encoders: Collection[Encoder],
) -> None:
    """Write the folder `search/` of the bundle in `folder`, whatever it held before.

    Args:
        folder: of the bundle; holds `projections.onnx` and, in `search/`, the encoders.
        findings: what is known of the model over the gallery.
        gallery_sha256: of the gallery's manifest.
        properties: those of the bundle.
        grid: rows and columns of patches.
        preprocessing: of the model.
        tokenizer: of the model, if it is CLIP's own.
        encoders: which have been exported.
    """
    close_search(folder)
    units = normalize(findings.coordinates.float(), dim=-1)
    norms = findings.coordinates.float().norm(dim=-1)
    texts = _texts(findings)
    embedded = findings.text_embeddings[[findings.texts[str(row["text"])] for row in texts]]
    files = {
        "projections": _described(folder, "../projections.onnx"),
        "coordinates": _rows(
            folder, "coordinates.bin", units.numpy(), norms.numpy(), findings.shares.numpy()
        ),
        "basis": _rows(folder, "basis.bin", findings.basis.transpose(1, 2).numpy()),
        "image_embeddings": _rows(folder, "embeddings.bin", findings.embeddings[:, None].numpy()),
        "texts": _json(folder, "texts.json", texts),
        "text_embeddings": _rows(folder, "texts.bin", embedded[:, None].numpy()),
    } | {
        f"{encoder}_encoder": _described(folder, encoder_file(encoder))
        for encoder in sorted(encoders)
    }
    heads = [head_id(*head) for head in findings.heads]
    listed, added = _properties(folder, properties, heads, findings.basis, findings.coordinates)
    fidelity = {
        encoder: read_fidelity(folder / FOLDER / encoder_file(encoder)) for encoder in encoders
    }
    _finish(
        folder,
        SearchRecord(
            model=folder.name,
            gallery_sha256=gallery_sha256,
            images=len(findings.images),
            texts=len(texts),
            heads=heads,
            rank=findings.basis.shape[2],
            dimension=findings.basis.shape[1],
            grid=grid,
            preprocessing=preprocessing,
            tokenizer=tokenizer,
            properties=listed,
            files=files | added,
            projections=read_fidelity(folder / "projections.onnx"),
            text_encoder=fidelity.get("text"),
            image_encoder=fidelity.get("image"),
        ),
    )


def replace_properties(
    folder: Path, properties: Sequence[PropertyRecord], basis: Tensor, coordinates: Tensor
) -> None:
    """Let the search files of a finished bundle follow other labels.

    A bundle without a search is left so.

    Args:
        folder: of the bundle.
        properties: those that the labels give.
        basis: [heads, D, r].
        coordinates: [N, heads, r].

    Raises:
        AtlasError: if `search.json` cannot be read.
    """
    path = folder / FOLDER / RECORD
    if not path.is_file():
        return
    try:
        record = SearchRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise AtlasError(f"{path}: cannot be read; run `head-atlas build` again") from error
    close_search(folder)
    former = {one.file for one in record.properties}
    kept = {key: file for key, file in record.files.items() if key not in former}
    listed, added = _properties(folder, properties, record.heads, basis, coordinates)
    _finish(folder, record.model_copy(update={"properties": listed, "files": kept | added}))


def _properties(
    folder: Path,
    properties: Sequence[PropertyRecord],
    heads: Sequence[str],
    basis: Tensor,
    coordinates: Tensor,
) -> tuple[list[SearchProperty], dict[str, SearchFile]]:
    """Write the mean contributions of each property; return the properties and their files."""
    places = {head: place for place, head in enumerate(heads)}
    listed, files = [], {}
    for each in properties:
        key = f"property-{each.slug}"
        bearing = [places[head] for head in each.heads]
        vectors = normalize(property_vectors(coordinates, basis, bearing), dim=-1)
        files[key] = _rows(folder, f"{key}.bin", vectors[:, None].numpy())
        listed.append(SearchProperty(name=each.name, slug=each.slug, heads=each.heads, file=key))
    return listed, files


def _texts(findings: Findings) -> list[dict[str, str | None]]:
    """List every text once, with its property and what it is for."""
    rows: dict[str, dict[str, str | None]] = {}
    for kind, texts in (("description", findings.pool), ("topic", findings.topics)):
        for one in texts:
            row = {"text": one.text, "property": one.property, "kind": kind}
            rows.setdefault(one.text, row)
    for pair in findings.contrasts:
        for text in pair:
            rows.setdefault(text, {"text": text, "property": None, "kind": "contrast"})
    return list(rows.values())


def _rows(
    folder: Path, name: str, rows: NDArray[np.floating], *columns: NDArray[np.floating]
) -> SearchFile:
    with replacing(folder / FOLDER / name) as path:
        write_rows(path, rows, *columns)
    return _described(folder, name)


def _json(folder: Path, name: str, content: object) -> SearchFile:
    with replacing(folder / FOLDER / name) as path:
        path.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    return _described(folder, name)


def _described(folder: Path, name: str) -> SearchFile:
    path = folder / FOLDER / name
    return SearchFile(name=name, bytes=path.stat().st_size, sha256=sha256_file(path))


def _finish(folder: Path, record: SearchRecord) -> None:
    """Remove what the record does not name, and write it."""
    named = {file.name for file in record.files.values()}
    for path in (folder / FOLDER).iterdir():
        if path.name not in named:
            path.unlink()
    with replacing(folder / FOLDER / RECORD) as path:
        path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
