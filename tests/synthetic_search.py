"""A small search export over the synthetic bundle: encoders of a few operators, no torch.

The encoders are no CLIP, but take and give what docs/search-format.md says, so that what a page
makes of them can be compared with what Python makes of the same files.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from clipheads.bundle.model import ModelRecord
from clipheads.bundle.search import (
    Fidelity,
    Preprocessing,
    SearchFile,
    SearchProperty,
    SearchRecord,
    Tokenizer,
)

TEXTS = ("a picture of a boat", "stripes", "the colour red", "boat", "house", "An image of sun <1>")
SIDE = 32
GRID = (8, 8)
CHANNELS = 24
CONTEXT = 24


def write_rows(path: Path, values: NDArray[np.floating], *columns: NDArray[np.floating]) -> None:
    """Write values [a, b, c] and columns [a, b] as docs/search-format.md says."""
    scale = np.abs(values).max(axis=-1) / 32767
    rows = np.round(values / np.where(scale > 0, scale, 1)[..., None]).astype("<i2")
    header = np.array([1, *values.shape, 1 + len(columns), 0, 0], dtype="<u4")
    parts = [np.asarray(part, dtype="<f4").tobytes() for part in (scale, *columns)]
    path.write_bytes(b"HATL" + header.tobytes() + b"".join(parts) + rows.tobytes())


def read_rows(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The values [a, b, c] of such a file, and its columns [m, a, b]."""
    content = path.read_bytes()
    a, b, c, m = np.frombuffer(content, "<u4", 4, offset=8)
    columns = np.frombuffer(content, "<f4", m * a * b, offset=32).reshape(m, a, b)
    rows = np.frombuffer(content, "<i2", offset=32 + columns.nbytes).reshape(a, b, c)
    return rows * columns[0, ..., None].astype(np.float64), columns


def write_search(
    atlas: Path, name: str = "demo-clip", *, encoders: bool = True, seed: int = 0
) -> SearchRecord:
    """Write `search/` and `projections.onnx` of a model of `write_bundle`."""
    rng = np.random.default_rng(seed)
    model = ModelRecord.model_validate_json((atlas / name / "model.json").read_bytes())
    arrays = load_file(atlas / name / "coordinates.safetensors")
    basis = np.linalg.qr(rng.standard_normal((len(model.heads), 64, 20)))[0].astype(np.float32)
    coordinates = arrays["coordinates"]
    folder = atlas / name / "search"
    folder.mkdir(exist_ok=True)
    norms = np.linalg.norm(coordinates, axis=-1)
    unit = coordinates / norms[..., None]
    write_rows(folder / "coordinates.bin", unit, norms, arrays["shares"])
    write_rows(folder / "embeddings.bin", _unit(rng.standard_normal((len(unit), 1, 64))))
    write_rows(folder / "basis.bin", basis.transpose(0, 2, 1))
    texts = _unit(rng.standard_normal((len(TEXTS), 1, 64)))
    write_rows(folder / "texts.bin", texts)
    listed = [{"text": text, "property": None, "kind": "topic"} for text in TEXTS]
    (folder / "texts.json").write_text(json.dumps(listed), encoding="utf-8")
    contributions = np.einsum("nhr,hdr->nhd", coordinates, basis)
    places = {head.id: n for n, head in enumerate(model.heads)}
    files = {
        "projections": "../projections.onnx",
        "coordinates": "coordinates.bin",
        "basis": "basis.bin",
        "image_embeddings": "embeddings.bin",
        "texts": "texts.json",
        "text_embeddings": "texts.bin",
    }
    for each in model.properties:
        mean = contributions[:, [places[head] for head in each.heads]].mean(axis=1, keepdims=True)
        files[f"property-{each.slug}"] = f"property-{each.slug}.bin"
        write_rows(folder / f"property-{each.slug}.bin", _unit(mean))
    _save(atlas / name / "projections.onnx", _projections(basis))
    if encoders:
        files |= {"text_encoder": "text-encoder.onnx", "image_encoder": "image-encoder.onnx"}
        _save(folder / "text-encoder.onnx", _text_encoder(rng))
        _save(folder / "image-encoder.onnx", _image_encoder(rng, basis))
    fidelity = Fidelity(
        storage="fp32", measured_on=1, cosine_error=0.0, same_top_8=1.0, vector_error=0.0
    )
    record = SearchRecord(
        model=name,
        gallery_sha256=model.gallery_sha256,
        images=len(coordinates),
        texts=len(TEXTS),
        heads=[head.id for head in model.heads],
        rank=basis.shape[2],
        dimension=64,
        grid=GRID,
        neighbours=8,
        property_neighbours=4,
        preprocessing=Preprocessing(
            image_size=SIDE,
            mean=(0.48, 0.46, 0.41),
            std=(0.27, 0.26, 0.28),
            interpolation="bicubic",
            resize_mode="shortest",
            fill_color=0,
        ),
        tokenizer=Tokenizer(
            vocabulary_size=49408, start_token=49406, end_token=49407, context_length=CONTEXT
        ),
        properties=[
            SearchProperty(
                name=each.name, slug=each.slug, heads=each.heads, file=f"property-{each.slug}"
            )
            for each in model.properties
        ],
        files={
            key: SearchFile(
                name=file,
                bytes=(folder / file).stat().st_size,
                sha256=hashlib.sha256((folder / file).read_bytes()).hexdigest(),
            )
            for key, file in files.items()
        },
        projections=fidelity,
        text_encoder=fidelity if encoders else None,
        image_encoder=fidelity if encoders else None,
    )
    (folder / "search.json").write_text(record.model_dump_json(indent=1), encoding="utf-8")
    return record


def _unit(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def _projections(basis: NDArray[np.float32]) -> onnx.GraphProto:
    """`text` [n, D] -> `queries` [n, H, r]."""
    return helper.make_graph(
        [helper.make_node("Einsum", ["text", "basis"], ["queries"], equation="nd,hdr->nhr")],
        "projections",
        [_float("text", "n", 64)],
        [_float("queries", "n", *basis.shape[::2])],
        [numpy_helper.from_array(basis, "basis")],
    )


def _text_encoder(rng: np.random.Generator) -> onnx.GraphProto:
    """The mean of the tokens' rows, at unit length."""
    table = rng.standard_normal((49408, 64)).astype(np.float32)
    return helper.make_graph(
        [
            helper.make_node("Gather", ["table", "tokens"], ["rows"]),
            helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("LpNormalization", ["mean"], ["embedding"], axis=-1, p=2),
        ],
        "text_encoder",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", "length"])],
        [_float("embedding", "n", 64)],
        [numpy_helper.from_array(table, "table")],
    )


def _image_encoder(rng: np.random.Generator, basis: NDArray[np.float32]) -> onnx.GraphProto:
    """Patches by a convolution, heads by a matrix each; the class token is the patches' mean."""
    heads, dimension, rank = basis.shape
    kernel = rng.standard_normal((CHANNELS, 3, SIDE // GRID[0], SIDE // GRID[1])) * 0.2
    matrix = rng.standard_normal((heads, CHANNELS, rank)) * 0.05
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["map"], strides=[4, 4]),
        helper.make_node("Tanh", ["map"], ["bounded"]),
        helper.make_node("Reshape", ["bounded", "flat"], ["channels"]),
        helper.make_node("ReduceMean", ["channels"], ["mean"], axes=[2], keepdims=1),
        helper.make_node("Concat", ["mean", "channels"], ["tokens"], axis=2),
        helper.make_node("Einsum", ["tokens", "matrix"], ["patches"], equation="nct,hcr->nhtr"),
        helper.make_node("ReduceSum", ["patches", "axis"], ["coordinates"], keepdims=0),
        helper.make_node(
            "Einsum", ["coordinates", "basis"], ["contributions"], equation="nhr,hdr->nhd"
        ),
        helper.make_node("ReduceSum", ["contributions", "one"], ["sum"], keepdims=0),
        helper.make_node("LpNormalization", ["sum"], ["embedding"], axis=-1, p=2),
    ]
    tokens = 1 + GRID[0] * GRID[1]
    return helper.make_graph(
        nodes,
        "image_encoder",
        [_float("pixels", "n", 3, SIDE, SIDE)],
        [
            _float("embedding", "n", dimension),
            _float("coordinates", "n", heads, rank),
            _float("patches", "n", heads, tokens, rank),
            _float("contributions", "n", heads, dimension),
        ],
        [
            numpy_helper.from_array(kernel.astype(np.float32), "kernel"),
            numpy_helper.from_array(matrix.astype(np.float32), "matrix"),
            numpy_helper.from_array(basis, "basis"),
            numpy_helper.from_array(np.array([0, CHANNELS, -1]), "flat"),
            numpy_helper.from_array(np.array([2]), "axis"),
            numpy_helper.from_array(np.array([1]), "one"),
        ],
    )


def _float(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _save(path: Path, graph: onnx.GraphProto) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
