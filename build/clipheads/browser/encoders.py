"""CLIP's two encoders as ONNX, for a browser: the image encoder gives what every head writes.

The graphs follow `decompose`, symbol by symbol, on weights that are stored compactly. What they
compute is compared with torch before a file is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipheads.browser.fidelity import MAX_ERROR, compare_answers, text_queries, unit_queries
from clipheads.browser.onnx_graph import STORAGES, Graph, make_onnx, onnx_session, save_onnx
from clipheads.browser.onnxruntime_import import onnxruntime
from clipheads.bundle.errors import ModelError
from clipheads.bundle.search import Fidelity, Preprocessing, Storage, Tokenizer
from clipheads.maths.decomposition import decompose, head_basis
from clipheads.model.clip_model import ClipModel
from clipheads.model.open_clip_import import import_open_clip

MAX_ENCODER_ERROR = 0.02
"""By so much a cosine with an image of the gallery may be off, for weights to stay compact."""

Array = NDArray[Any]


def tokenizer_facts(model: ClipModel) -> Tokenizer | None:
    """Describe a model's tokenizer if it is CLIP's own; None if it is another."""
    tokenizer: Any = model.tokenize
    own = import_open_clip().SimpleTokenizer
    if not isinstance(tokenizer, own) or tokenizer.vocab_size != own().vocab_size:
        return None
    if tokenizer.reduction_fn is not None or tokenizer.clean_fn is not own().clean_fn:
        return None
    return Tokenizer(
        vocabulary_size=tokenizer.vocab_size,
        start_token=tokenizer.sot_token_id,
        end_token=tokenizer.eot_token_id,
        context_length=tokenizer.context_length,
    )


def preprocessing_facts(model: ClipModel) -> Preprocessing:
    """Describe how a model's pictures become pixels."""
    facts = model.clip.visual.preprocess_cfg
    return Preprocessing(
        image_size=model.architecture.image_size,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        interpolation=facts["interpolation"],
        resize_mode=facts["resize_mode"],
        fill_color=facts["fill_color"],
    )


def ensure_exportable(model: ClipModel, *, text: bool, image: bool) -> None:
    """Make sure that the encoders which are wanted can be exported.

    Raises:
        ModelError: if one cannot, with the reason.
    """
    reasons = {
        "text": _why_no_text_encoder(model) if text else "",
        "image": _why_not_standard(model.clip.visual.transformer) if image else "",
    }
    for kind, reason in reasons.items():
        if reason:
            raise ModelError(
                f"the {kind} encoder of {model.name} cannot be exported: {reason}; build without "
                f"--export-{kind}-encoder"
            )


def export_text_encoder(
    model: ClipModel,
    tokens: Tensor,
    texts: Tensor,
    basis: Tensor,
    coordinates: Tensor,
    path: Path,
) -> Fidelity:
    """Write the text encoder, `tokens` [n, length] -> `embedding` [n, D], in unit rows.

    Args:
        model: one that `ensure_exportable` accepts.
        tokens: [n, context], of the texts on which the error is measured.
        texts: [n, D], their unit embeddings in torch.
        basis: [heads, D, r].
        coordinates: [N, heads, r], of the gallery.
        path: the `.onnx` file to write.

    Raises:
        ModelError: if its error is too large in any storage; nothing is written.
    """
    exact = text_queries(texts, basis), coordinates
    for storage in STORAGES:
        proto = text_encoder(model, storage)
        session = onnx_session(proto)
        embedded = _run(session, "embedding", tokens, size=64)
        queries = text_queries(embedded, basis)
        fidelity = compare_answers(storage, exact=exact, exported=(queries, coordinates))
        if _is_close(fidelity):
            save_onnx(proto, path, fidelity)
            return fidelity
    raise _too_far("text", model, fidelity)


def export_image_encoder(
    model: ClipModel,
    layers: Sequence[int],
    basis: Tensor,
    pixels: Tensor,
    coordinates: Tensor,
    path: Path,
) -> Fidelity:
    """Write the image encoder with the heads of `layers`; see `image_encoder`.

    Args:
        model: one that `ensure_exportable` accepts.
        layers: whose heads are wanted, counted from zero.
        basis: [heads, D, r], of all heads of those layers.
        pixels: [n, 3, S, S], on which the error is measured.
        coordinates: [N, heads, r], of the gallery.
        path: the `.onnx` file to write.

    Raises:
        ModelError: if its error is too large in any storage; nothing is written.
    """
    rows = list(layers)
    parts = decompose(replace(model, precision="fp32"), pixels)
    # The bundle may be from another run, with other bases of the same spaces.
    turn = head_basis(model)[rows].flatten(0, 1).cpu().mT @ basis
    found = torch.einsum("nhr,hrs->nhs", parts.coordinates[:, rows].flatten(1, 2).cpu(), turn)
    exact = unit_queries(found), coordinates
    for storage in STORAGES:
        proto = image_encoder(model, layers, basis, storage)
        session = onnx_session(proto)
        queries = unit_queries(_run(session, "coordinates", pixels, size=8))
        fidelity = compare_answers(storage, exact=exact, exported=(queries, coordinates))
        if _is_close(fidelity):
            save_onnx(proto, path, fidelity)
            return fidelity
    raise _too_far("image", model, fidelity)


def _is_close(fidelity: Fidelity) -> bool:
    return fidelity.cosine_error <= MAX_ENCODER_ERROR and fidelity.vector_error <= MAX_ERROR


def _too_far(encoder: str, model: ClipModel, fidelity: Fidelity) -> ModelError:
    return ModelError(
        f"the {encoder} encoder of {model.name} cannot be exported: even in float32 its cosines"
        f" are off by {fidelity.cosine_error:g} (at most {MAX_ENCODER_ERROR:g}) and its vectors by"
        f" {fidelity.vector_error:g} (at most {MAX_ERROR:g}); build without"
        f" --export-{encoder}-encoder"
    )


def text_encoder(model: ClipModel, storage: Storage) -> onnx.ModelProto:
    """Make the graph of CLIP's own text encoder, `tokens` [n, length] -> `embedding` [n, D].

    Attention is causal and the end token is read out, so that a text needs no padding.
    """
    tower = _text_tower(model)
    graph = Graph(storage)
    length = graph.add("Slice", graph.add("Shape", "tokens"), *_bounds(graph, 1, 2))
    context = tower.positional_embedding.shape[0]
    mask = np.triu(np.full((context, context), -np.inf, np.float32), k=1)
    start = graph.integers(0)
    causal = graph.add("Slice", graph.floats(mask), start, length, graph.integers(0))
    causal = graph.add("Slice", causal, start, length, graph.integers(1))
    positions = graph.add(
        "Slice", graph.floats(_array(tower.positional_embedding)), start, length, graph.integers(0)
    )
    x = graph.gather_rows(_array(tower.token_embedding.weight), "tokens")
    x = graph.add("Add", x, positions)
    for block in tower.transformer.resblocks:
        query, key, value = _heads(graph, block, _layer_norm(graph, x, block.ln_1))
        scores = graph.add("Add", graph.add("MatMul", query, key), causal)
        output = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
        x = _after_attention(graph, block, x, output)[0]
    ends = graph.add("ArgMax", graph.add("Cast", "tokens", to=onnx.TensorProto.INT32), axis=1)
    x = _layer_norm(graph, graph.add("GatherND", x, ends, batch_dims=1), tower.ln_final)
    projection = tower.text_projection
    if isinstance(projection, torch.nn.Linear):
        x = _linear(graph, x, projection)
    elif projection is not None:
        x = graph.add("MatMul", x, graph.halves(_array(projection)))
    length_of_x = graph.add("ReduceL2", x, axes=[-1], keepdims=1)
    graph.output("embedding", graph.add("Div", x, length_of_x))
    return make_onnx(
        graph,
        "text_encoder",
        inputs={"tokens": (np.int64, ["n", "length"])},
        outputs={"embedding": ["n", model.architecture.embedding_dim]},
    )


def image_encoder(
    model: ClipModel, layers: Sequence[int], basis: Tensor, storage: Storage
) -> onnx.ModelProto:
    """Make the graph of the image encoder, `pixels` [n, 3, S, S] -> four outputs.

    They are `embedding` [n, D], `coordinates` [n, heads, r], `patches` [n, heads, tokens, r] and
    `contributions` [n, heads, D], for the heads of `layers`; see `decompose` and
    `decompose_patches`.
    """
    visual = model.clip.visual
    graph = Graph(storage)
    tokens = visual.positional_embedding.shape[0]
    x = _embedded_patches(graph, visual)
    last = len(visual.transformer.resblocks) - 1
    in_bases, written = [], []
    for layer, block in enumerate(visual.transformer.resblocks):
        normed = _layer_norm(graph, x, block.ln_1)
        if layer == last:
            # From here on only the class token has an influence on the embedding.
            x = graph.add("Slice", x, *_bounds(graph, 0, 1, axis=1))
        query, key, value = _heads(graph, block, normed, first_query_only=layer == last)
        weights = graph.add("Softmax", graph.add("MatMul", query, key), axis=-1)
        output = graph.add("MatMul", weights, value)
        x, of_z = _after_attention(graph, block, x, output)
        if layer in layers:
            place = list(layers).index(layer) * block.attn.num_heads
            own = basis[place : place + block.attn.num_heads]
            row = graph.add("Slice", weights, *_bounds(graph, 0, 1, axis=2))
            summands = graph.add("Mul", graph.add("Transpose", row, perm=[0, 1, 3, 2]), value)
            in_basis = graph.halves(_of_z(visual, block, own))
            in_bases.append(graph.add("MatMul", summands, in_basis))
            z = graph.add("ReduceSum", summands, graph.integers(2), keepdims=1)
            by_head = graph.integers(block.attn.num_heads, -1, visual.conv1.out_channels)
            written.append(graph.add("MatMul", z, graph.add("Reshape", of_z, by_head)))

    residual = graph.add("Squeeze", x, graph.integers(1))
    mean = graph.add("ReduceMean", residual, axes=[-1], keepdims=1)
    centred = graph.add("Sub", residual, mean)
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), axes=[-1], keepdims=1)
    sigma = graph.add(
        "Sqrt", graph.add("Add", variance, graph.floats(np.array(visual.ln_post.eps)))
    )
    projection = graph.halves(_array(visual.proj))
    features = graph.add("MatMul", _layer_norm(graph, residual, visual.ln_post), projection)
    length = graph.add("ReduceL2", features, axes=[-1], keepdims=1)
    graph.output("embedding", graph.add("Div", features, length))

    apart = graph.integers(1, 2)
    mean, sigma, length = (graph.add("Unsqueeze", one, apart) for one in (mean, sigma, length))
    scale = graph.add("Mul", sigma, length)

    shared = _constants(visual, layers, basis)
    bias, of_mean, of_beta = (graph.floats(one / tokens) for one in shared.in_bases)
    y = graph.add("Concat", *in_bases, axis=1)
    constant = graph.add("Sub", bias, graph.add("Mul", mean, of_mean))
    y = graph.add("Div", graph.add("Add", y, constant), scale)
    y = graph.add("Add", y, graph.add("Div", of_beta, length))
    graph.output("patches", y)
    graph.output("coordinates", graph.add("ReduceSum", y, graph.integers(2), keepdims=0))

    a = graph.add("Add", graph.add("Concat", *written, axis=1), graph.floats(shared.bias))
    a = graph.add("Sub", a, graph.add("Mul", mean, graph.floats(np.array(1 / shared.terms))))
    a = graph.add("Mul", a, graph.floats(_array(visual.ln_post.weight)))
    a = graph.add("Add", graph.add("Div", a, sigma), graph.floats(shared.beta))
    c = graph.add("Div", graph.add("MatMul", a, projection), length)
    graph.output("contributions", graph.add("Squeeze", c, graph.integers(2)))

    heads, dimension, rank = basis.shape
    size = model.architecture.image_size
    return make_onnx(
        graph,
        "image_encoder",
        inputs={"pixels": (np.float32, ["n", 3, size, size])},
        outputs={
            "embedding": ["n", dimension],
            "coordinates": ["n", heads, rank],
            "patches": ["n", heads, tokens, rank],
            "contributions": ["n", heads, dimension],
        },
    )


def _run(session: onnxruntime.InferenceSession, output: str, rows: Tensor, *, size: int) -> Tensor:
    """Return one output for the rows of the only input, of which `size` are taken at once."""
    (source,) = session.get_inputs()
    found = [
        session.run([output], {source.name: rows[start : start + size].numpy()})[0]
        for start in range(0, len(rows), size)
    ]
    return torch.from_numpy(np.concatenate(found))


@dataclass(frozen=True, eq=False)
class _Constants:
    """What heads share of b_O, μ and β, in the residual stream and in the heads' bases."""

    terms: int
    """H (2L + 1)"""
    bias: Array
    """b_O / H of every head, [heads, 1, W]."""
    beta: Array
    """β / terms, [W]."""
    in_bases: tuple[Array, Array, Array]
    """Bᵀ of (b_O / H ⊙ γ) P, (γ / terms) P and (β / terms) P, [heads, 1, r] each."""


def _constants(visual: Any, layers: Sequence[int], basis: Tensor) -> _Constants:
    blocks = visual.transformer.resblocks
    heads = blocks[0].attn.num_heads
    terms = heads * (2 * len(blocks) + 1)
    gamma, beta = _array(visual.ln_post.weight), _array(visual.ln_post.bias)
    projection, bases = _array(visual.proj), _array(basis)
    bias = (
        np.repeat(
            [
                _array(blocks[layer].attn.out_proj.bias) * _scale(blocks[layer].ls_1)
                for layer in layers
            ],
            heads,
            axis=0,
        )[:, None]
        / heads
    )
    gammas, betas = ((one / terms) @ projection for one in (gamma, beta))
    return _Constants(
        terms=terms,
        bias=bias,
        beta=beta / terms,
        in_bases=(
            ((bias * gamma) @ projection) @ bases,
            gammas @ bases[:, None],
            betas @ bases[:, None],
        ),
    )


def _of_z(visual: Any, block: Any, basis: Tensor) -> Array:
    """Return Bᵀ of (W_O z ⊙ γ) P as a matrix on z, [H, d_head, r]."""
    weight = _array(block.attn.out_proj.weight).T * _scale(block.ls_1)
    projected = (weight * _array(visual.ln_post.weight)) @ _array(visual.proj)
    by_head = projected.reshape(block.attn.num_heads, -1, projected.shape[1])
    result: Array = by_head @ _array(basis)
    return result


def _embedded_patches(graph: Graph, visual: Any) -> str:
    """Add what turns `pixels` into the tokens [n, tokens, W] that enter the first block."""
    kernel = graph.halves(_array(visual.conv1.weight))
    x = graph.add("Conv", "pixels", kernel, strides=list(visual.conv1.stride))
    x = graph.add("Reshape", x, graph.integers(0, visual.conv1.out_channels, -1))
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    # A row of zeros for the class token, whose embedding comes with its position.
    x = graph.add("Pad", x, graph.integers(0, 1, 0, 0, 0, 0))
    positions = _array(visual.positional_embedding).copy()
    positions[0] += _array(visual.class_embedding)
    x = graph.add("Add", x, graph.floats(positions))
    return (
        x if isinstance(visual.ln_pre, torch.nn.Identity) else _layer_norm(graph, x, visual.ln_pre)
    )


def _heads(
    graph: Graph, block: Any, normed: str, *, first_query_only: bool = False
) -> tuple[str, str, str]:
    """Add queries [n, H, tokens, d], scaled by 1/√d, keys [n, H, d, tokens] and values."""
    attention = block.attn
    weight, bias = _array(attention.in_proj_weight).T, _array(attention.in_proj_bias)
    width = weight.shape[0]
    scale = 1 / math.sqrt(width // attention.num_heads)
    shape = graph.integers(0, 0, attention.num_heads, -1)
    asking = (
        graph.add("Slice", normed, *_bounds(graph, 0, 1, axis=1)) if first_query_only else normed
    )
    parts = []
    for index, source in enumerate((asking, normed, normed)):
        columns = slice(index * width, (index + 1) * width)
        factor = scale if index == 0 else 1.0
        matrix = graph.weight(weight[:, columns] * factor, sensitive=True)
        part = graph.add("MatMul", source, matrix)
        part = graph.add("Add", part, graph.floats(bias[columns] * factor))
        order = [0, 2, 3, 1] if index == 1 else [0, 2, 1, 3]
        parts.append(graph.add("Transpose", graph.add("Reshape", part, shape), perm=order))
    return parts[0], parts[1], parts[2]


def _after_attention(graph: Graph, block: Any, x: str, output: str) -> tuple[str, str]:
    """Add the rest of a block behind attention's output [n, H, tokens, d].

    Returns:
        The block's output [n, tokens, W], and W_O as a matrix on all z, [W, W].
    """
    attention, scale = block.attn.out_proj, _scale(block.ls_1)
    flat = graph.add("Transpose", output, perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", flat, graph.integers(0, 0, -1))
    of_z = graph.weight(_array(attention.weight).T * scale, sensitive=True)
    attended = graph.add("MatMul", flat, of_z)
    attended = graph.add("Add", attended, graph.floats(_array(attention.bias) * scale))
    x = graph.add("Add", x, attended)
    hidden = _linear(graph, _layer_norm(graph, x, block.ln_2), block.mlp.c_fc)
    if _is_quick_gelu(block.mlp.gelu):
        slope = graph.add("Mul", hidden, graph.floats(np.array(1.702)))
        hidden = graph.add("Mul", hidden, graph.add("Sigmoid", slope))
    else:
        normal = graph.add("Erf", graph.add("Mul", hidden, graph.floats(np.array(math.sqrt(0.5)))))
        normal = graph.add("Add", normal, graph.floats(np.array(1.0)))
        half = graph.add("Mul", hidden, graph.floats(np.array(0.5)))
        hidden = graph.add("Mul", half, normal)
    mlp = _linear(graph, hidden, block.mlp.c_proj, _scale(block.ls_2))
    return graph.add("Add", x, mlp), of_z


def _linear(graph: Graph, x: str, layer: Any, scale: Array | float = 1.0) -> str:
    weight = graph.weight(_array(layer.weight).T * scale)
    return graph.add(
        "Add", graph.add("MatMul", x, weight), graph.floats(_array(layer.bias) * scale)
    )


def _layer_norm(graph: Graph, x: str, norm: Any) -> str:
    weights = (graph.floats(_array(one)) for one in (norm.weight, norm.bias))
    return graph.add("LayerNormalization", x, *weights, axis=-1, epsilon=norm.eps)


def _bounds(graph: Graph, start: int, stop: int, axis: int = 0) -> tuple[str, str, str]:
    """The inputs of Slice behind its first."""
    return graph.integers(start), graph.integers(stop), graph.integers(axis)


def _scale(layer_scale: Any) -> Array | float:
    return _array(layer_scale.gamma) if hasattr(layer_scale, "gamma") else 1.0


def _array(tensor: Tensor) -> Array:
    """In float64, so that what is folded is rounded once, when it is stored."""
    return tensor.detach().cpu().double().numpy()


def _is_quick_gelu(activation: Any) -> bool:
    return type(activation).__name__ == "QuickGELU"


def _text_tower(model: ClipModel) -> Any:
    return getattr(model.clip, "text", model.clip)


def _why_no_text_encoder(model: ClipModel) -> str:
    """Return what stands against an export; an empty string if nothing does."""
    tower = _text_tower(model)
    if tokenizer_facts(model) is None:
        return "its tokenizer is not CLIP's own"
    if not hasattr(tower, "token_embedding") or getattr(tower, "cls_emb", None) is not None:
        return "its text tower is not CLIP's own"
    pooling = getattr(tower, "text_pool_type", getattr(tower, "pool_type", ""))
    if pooling != "argmax" or tower.attn_mask is None:
        return "its text tower does not read the end token of causal attention"
    return _why_not_standard(tower.transformer)


def _why_not_standard(transformer: Any) -> str:
    for block in transformer.resblocks:
        activation = block.mlp.gelu if hasattr(block.mlp, "gelu") else None
        exact_gelu = getattr(activation, "approximate", "") == "none"
        if type(block).__name__ != "ResidualAttentionBlock":
            return f"its blocks are {type(block).__name__}, not the standard ones"
        if not (exact_gelu or _is_quick_gelu(activation)):
            return "its activation is neither GELU nor QuickGELU"
    return ""
