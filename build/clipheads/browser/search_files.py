"""What the search page loads of a model: the folder `search/` of its bundle.

The files are described in docs/search-format.md. `search.json` names all of them and appears
last, so that a folder that has it is whole.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.browser.binary_rows import write_rows
from clipheads.browser.onnx_graph import read_fidelity
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.model import PropertyRecord
from clipheads.bundle.names import head_id
from clipheads.bundle.search import (
    Preprocessing,
    SearchFile,
    SearchProperty,
    SearchRecord,
    Tokenizer,
)
from clipheads.maths.neighbours import property_vectors
from clipheads.stages.records import Findings

FOLDER = "search"
RECORD = "search.json"
PROPERTY = "property-"
"""Begins the names of the files that depend on the labels."""

Encoder = Literal["text", "image"]


def encoder_file(encoder: Encoder) -> str:
    """The name of an encoder's file in the folder `search/`."""
    return f"{encoder}-encoder.onnx"


def write_search(
    scratch: Path,
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
    """Write the folder `search/` of a bundle into `scratch`, without the encoders.

    Args:
        scratch: an empty folder.
        folder: of the bundle; holds `projections.onnx` and, in `search/`, the encoders.
        findings: what is known of the model over the gallery.
        gallery_sha256: of the gallery's manifest.
        properties: those of the bundle.
        grid: rows and columns of patches.
        preprocessing: of the model.
        tokenizer: of the model, if it is CLIP's own.
        encoders: which have been exported.
    """
    (scratch / FOLDER).mkdir()
    units = normalize(findings.coordinates.float(), dim=-1)
    norms = findings.coordinates.float().norm(dim=-1)
    texts = _texts(findings)
    embedded = findings.text_embeddings[[findings.texts[str(row["text"])] for row in texts]]
    files = {
        "projections": _described(folder / "projections.onnx", "../projections.onnx"),
        "coordinates": _rows(
            scratch, "coordinates.bin", units.numpy(), norms.numpy(), findings.shares.numpy()
        ),
        "basis": _rows(scratch, "basis.bin", findings.basis.transpose(1, 2).numpy()),
        "image_embeddings": _rows(scratch, "embeddings.bin", findings.embeddings[:, None].numpy()),
        "texts": _json(scratch, "texts.json", texts),
        "text_embeddings": _rows(scratch, "texts.bin", embedded[:, None].numpy()),
    } | {
        f"{encoder}_encoder": _described(
            folder / FOLDER / encoder_file(encoder), encoder_file(encoder)
        )
        for encoder in sorted(encoders)
    }
    heads = [head_id(*head) for head in findings.heads]
    listed, added = _properties(scratch, properties, heads, findings.basis, findings.coordinates)
    fidelity = {
        encoder: read_fidelity(folder / FOLDER / encoder_file(encoder)) for encoder in encoders
    }
    _write_record(
        scratch,
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
    scratch: Path,
    folder: Path,
    properties: Sequence[PropertyRecord],
    basis: Tensor,
    coordinates: Tensor,
) -> None:
    """Write what other labels change in the search files of a bundle.

    Args:
        scratch: the folder that receives `search.json` and the files of the properties.
        folder: of the bundle.
        properties: those that the labels give.
        basis: [heads, D, r].
        coordinates: [N, heads, r].

    A bundle without a search is left so.

    Raises:
        AtlasError: if `search.json` cannot be read.
    """
    path = folder / FOLDER / RECORD
    if not path.is_file():
        return
    record = read_record(path, SearchRecord, remedy="run `head-atlas build` again")
    (scratch / FOLDER).mkdir()
    former = {one.file for one in record.properties}
    kept = {key: file for key, file in record.files.items() if key not in former}
    listed, added = _properties(scratch, properties, record.heads, basis, coordinates)
    changed = record.model_copy(update={"properties": listed, "files": kept | added})
    _write_record(scratch, changed)


def _properties(
    scratch: Path,
    properties: Sequence[PropertyRecord],
    heads: Sequence[str],
    basis: Tensor,
    coordinates: Tensor,
) -> tuple[list[SearchProperty], dict[str, SearchFile]]:
    """Write the mean contributions of each property; return the properties and their files."""
    places = {head: place for place, head in enumerate(heads)}
    listed, files = [], {}
    for each in properties:
        key = f"{PROPERTY}{each.slug}"
        bearing = [places[head] for head in each.heads]
        vectors = normalize(property_vectors(coordinates, basis, bearing), dim=-1)
        files[key] = _rows(scratch, f"{key}.bin", vectors[:, None].numpy())
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
    scratch: Path, name: str, rows: NDArray[np.floating], *columns: NDArray[np.floating]
) -> SearchFile:
    write_rows(scratch / FOLDER / name, rows, *columns)
    return _described(scratch / FOLDER / name, name)


def _json(scratch: Path, name: str, content: object) -> SearchFile:
    text = json.dumps(content, ensure_ascii=False, indent=0) + "\n"
    (scratch / FOLDER / name).write_text(text, encoding="utf-8")
    return _described(scratch / FOLDER / name, name)


def _described(path: Path, name: str) -> SearchFile:
    return SearchFile(name=name, bytes=path.stat().st_size, sha256=sha256_file(path))


def _write_record(scratch: Path, record: SearchRecord) -> None:
    (scratch / FOLDER / RECORD).write_text(
        record.model_dump_json(indent=1) + "\n", encoding="utf-8"
    )
