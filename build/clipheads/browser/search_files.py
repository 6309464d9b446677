"""What the search page loads of a model: the folder `search/` of its bundle.

The files are described in docs/search-format.md. `search.json` names all of them and appears
last, so that a folder that has it is whole.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.browser.binary_rows import write_rows
from clipheads.browser.onnx_graph import read_fidelity
from clipheads.bundle.checkpoint import CheckpointRecord
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.disk.record_files import write_record
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.model import PropertyRecord
from clipheads.bundle.names import head_id
from clipheads.bundle.search import (
    SearchFile,
    SearchProperty,
    SearchRecord,
)
from clipheads.maths.neighbours import property_vectors

FOLDER = "search"
RECORD = "search.json"
PROPERTY = "property-"
"""Begins the names of the files that depend on the labels."""

Encoder = Literal["text", "image"]


def encoder_file(encoder: Encoder) -> str:
    """The name of an encoder's file in the folder `search/`."""
    return f"{encoder}-encoder.onnx"


class SearchText(NamedTuple):
    """A row of `texts.json`."""

    text: str
    property: str | None
    kind: Literal["description", "topic", "contrast"]


def write_search(
    folder: Path,
    *,
    checkpoint: CheckpointRecord,
    manifest: GalleryManifest,
    basis: Tensor,
    coordinates: Tensor,
    shares: Tensor,
    embeddings: Tensor,
    texts: Sequence[SearchText],
    text_embeddings: Tensor,
    properties: Sequence[PropertyRecord],
    projections: Path,
    encoders: Mapping[Encoder, Path],
    neighbours: int,
    property_neighbours: int,
) -> None:
    """Write the search files of a bundle, without the encoders.

    Args:
        folder: where they are written.
        checkpoint: the model of the bundle.
        manifest: its gallery.
        basis: [heads, D, r].
        coordinates: [N, heads, r].
        shares: [N, heads], <c, f/|f|>.
        embeddings: [N, D], unit rows.
        texts: each text once.
        text_embeddings: [texts, D], unit rows.
        properties: those of the bundle.
        projections: the file `projections.onnx` of the bundle.
        encoders: the files of those that have been exported.
        neighbours: how many nearest images the atlas shows in a head.
        property_neighbours: how many it shows by a property.
    """
    units = normalize(coordinates.float(), dim=-1)
    norms = coordinates.float().norm(dim=-1)
    files = {
        "projections": _described(projections, "../projections.onnx"),
        "coordinates": _rows(
            folder, "coordinates.bin", units.numpy(), norms.numpy(), shares.numpy()
        ),
        "basis": _rows(folder, "basis.bin", basis.transpose(1, 2).numpy()),
        "image_embeddings": _rows(folder, "embeddings.bin", embeddings[:, None].numpy()),
        "texts": _json(folder, "texts.json", [text._asdict() for text in texts]),
        "text_embeddings": _rows(folder, "texts.bin", text_embeddings[:, None].numpy()),
    } | {
        f"{encoder}_encoder": _described(encoders[encoder], encoder_file(encoder))
        for encoder in sorted(encoders)
    }
    heads = [head_id(*head) for head in checkpoint.heads]
    listed, added = _properties(folder, properties, heads, basis, coordinates)
    fidelity = {encoder: read_fidelity(path) for encoder, path in encoders.items()}
    record = SearchRecord(
        model=checkpoint.name,
        gallery_sha256=manifest.sha256,
        images=len(manifest.images),
        texts=len(texts),
        heads=heads,
        rank=basis.shape[2],
        dimension=basis.shape[1],
        grid=checkpoint.architecture.grid,
        neighbours=neighbours,
        property_neighbours=property_neighbours,
        preprocessing=checkpoint.preprocessing,
        tokenizer=checkpoint.tokenizer,
        properties=listed,
        files=files | added,
        projections=read_fidelity(projections),
        text_encoder=fidelity.get("text"),
        image_encoder=fidelity.get("image"),
    )
    write_record(folder / RECORD, record)


def _properties(
    folder: Path,
    properties: Sequence[PropertyRecord],
    heads: Sequence[str],
    basis: Tensor,
    coordinates: Tensor,
) -> tuple[list[SearchProperty], dict[str, SearchFile]]:
    """Write the mean contributions of each property; return the properties and their files."""
    rows = {head: row for row, head in enumerate(heads)}
    listed, files = [], {}
    for prop in properties:
        key = f"{PROPERTY}{prop.slug}"
        labelled = [rows[head] for head in prop.heads]
        vectors = normalize(property_vectors(coordinates, basis, labelled), dim=-1)
        files[key] = _rows(folder, f"{key}.bin", vectors[:, None].numpy())
        listed.append(SearchProperty(name=prop.name, slug=prop.slug, heads=prop.heads, file=key))
    return listed, files


def _rows(
    folder: Path, name: str, rows: NDArray[np.floating], *columns: NDArray[np.floating]
) -> SearchFile:
    write_rows(folder / name, rows, *columns)
    return _described(folder / name, name)


def _json(folder: Path, name: str, content: object) -> SearchFile:
    text = json.dumps(content, ensure_ascii=False, indent=0) + "\n"
    (folder / name).write_text(text, encoding="utf-8")
    return _described(folder / name, name)


def _described(path: Path, name: str) -> SearchFile:
    return SearchFile(name=name, bytes=path.stat().st_size, sha256=sha256_file(path))
