"""CLIP's two encoders as graphs of ONNX; the image encoder gives the output of every head.

They are the pass of `model.tower` and the formulas of `maths.decomposition` in ONNX's operators, on
the same description of the blocks and the same folded weights. torch's own exporter would write
them from that code. For the demo CLIP its graph is 8% larger before weights are compacted, and as
fast and exact; it needs two further packages, and leaves open which weights may be compacted.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clipheads.browser.onnx_graph import Graph, make_onnx
from clipheads.bundle.search import Storage
from clipheads.maths.folding import exact, fold_heads
from clipheads.model.clip_model import ClipModel
from clipheads.model.text import text_tower
from clipheads.model.tower import Block, VisionTower
from clipheads.model.vision_transformer import block_of

Array = NDArray[Any]


def text_encoder(model: ClipModel, storage: Storage) -> onnx.ModelProto:
    """Make the graph of CLIP's own text encoder, `tokens` [n, length] -> `embedding` [n, D].

    Attention is causal and the end token is read out, so that a text needs no padding.
    """
    tower = text_tower(model.clip)
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
    for block in map(block_of, tower.transformer.resblocks):
        query, key, value = _heads(graph, block, _layer_norm(graph, x, block.attention_norm))
        scores = graph.add("Add", graph.add("MatMul", query, key), causal)
        output = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
        x = _after_attention(graph, block, x, output)[0]
    ends = graph.add("ArgMax", graph.add("Cast", "tokens", to=onnx.TensorProto.INT32), axis=1)
    x = _layer_norm(graph, graph.add("GatherND", x, ends, batch_dims=1), tower.ln_final)
    projection = tower.text_projection
    if isinstance(projection, nn.Linear):
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

    Args:
        model: one that `ensure_exportable` accepts.
        layers: whose heads are wanted, counted from zero.
        basis: of all heads of those layers, [heads, D, r].
        storage: of the weights.
    """
    tower = model.tower
    graph = Graph(storage)
    tokens, width = tower.positions.shape
    by_layer = tower.blocks[0].heads
    rows = [layer * by_layer + head for layer in layers for head in range(by_layer)]
    folded = fold_heads(tower).select(torch.tensor(rows)).in_bases(exact(basis))
    x = _embedded_patches(graph, tower)
    last = len(tower.blocks) - 1
    in_bases, written = [], []
    for layer, block in enumerate(tower.blocks):
        normed = _layer_norm(graph, x, block.attention_norm)
        if layer == last:
            # From here on only the class token has an influence on the embedding.
            x = graph.add("Slice", x, *_bounds(graph, 0, 1, axis=1))
        query, key, value = _heads(graph, block, normed, first_query_only=layer == last)
        weights = graph.add("Softmax", graph.add("MatMul", query, key), axis=-1)
        output = graph.add("MatMul", weights, value)
        x, out_weight = _after_attention(graph, block, x, output)
        if layer in layers:
            first = list(layers).index(layer) * by_layer
            row = graph.add("Slice", weights, *_bounds(graph, 0, 1, axis=2))
            summands = graph.add("Mul", graph.add("Transpose", row, perm=[0, 1, 3, 2]), value)
            of_z = graph.halves(_array(folded.of_z[first : first + by_layer]))
            in_bases.append(graph.add("MatMul", summands, of_z))
            z = graph.add("ReduceSum", summands, graph.integers(2), keepdims=1)
            by_head = graph.integers(by_layer, -1, width)
            written.append(graph.add("MatMul", z, graph.add("Reshape", out_weight, by_head)))

    residual = graph.add("Squeeze", x, graph.integers(1))
    mean = graph.add("ReduceMean", residual, axes=[-1], keepdims=1)
    centred = graph.add("Sub", residual, mean)
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), axes=[-1], keepdims=1)
    sigma = graph.add("Sqrt", graph.add("Add", variance, graph.floats(np.array(tower.norm.eps))))
    projection = graph.halves(_array(tower.projection))
    features = graph.add("MatMul", _layer_norm(graph, residual, tower.norm), projection)
    length = graph.add("ReduceL2", features, axes=[-1], keepdims=1)
    graph.output("embedding", graph.add("Div", features, length))

    apart = graph.integers(1, 2)
    mean, sigma, length = (graph.add("Unsqueeze", value, apart) for value in (mean, sigma, length))
    scale = graph.add("Mul", sigma, length)

    of_bias, of_mean, of_beta = (
        graph.floats(_array(part) / tokens)
        for part in (folded.of_bias, folded.of_mean, folded.of_beta)
    )
    y = graph.add("Concat", *in_bases, axis=1)
    constant = graph.add("Sub", of_bias, graph.add("Mul", mean, of_mean))
    y = graph.add("Div", graph.add("Add", y, constant), scale)
    y = graph.add("Add", y, graph.add("Div", of_beta, length))
    graph.output("patches", y)
    graph.output("coordinates", graph.add("ReduceSum", y, graph.integers(2), keepdims=0))

    # By would take a second matrix for each head; W_O is already in the graph.
    terms = by_layer * (2 * len(tower.blocks) + 1)
    bias = np.repeat([_out_bias(tower.blocks[layer]) for layer in layers], by_layer, axis=0)
    a = graph.add("Concat", *written, axis=1)
    a = graph.add("Add", a, graph.floats(bias[:, None] / by_layer))
    a = graph.add("Sub", a, graph.add("Mul", mean, graph.floats(np.array(1 / terms))))
    a = graph.add("Mul", a, graph.floats(_array(tower.norm.weight)))
    a = graph.add("Div", a, sigma)
    a = graph.add("Add", a, graph.floats(_array(tower.norm.bias) / terms))
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


def _embedded_patches(graph: Graph, tower: VisionTower) -> str:
    """Add what turns `pixels` into the tokens [n, tokens, W] that enter the first block."""
    kernel = graph.halves(_array(tower.patches.weight))
    x = graph.add("Conv", "pixels", kernel, strides=list(tower.patches.stride))
    x = graph.add("Reshape", x, graph.integers(0, tower.patches.out_channels, -1))
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    # A row of zeros for the class token, whose embedding comes with its position.
    x = graph.add("Pad", x, graph.integers(0, 1, 0, 0, 0, 0))
    positions = _array(tower.positions).copy()
    positions[0] += _array(tower.class_embedding)
    x = graph.add("Add", x, graph.floats(positions))
    return x if tower.input_norm is None else _layer_norm(graph, x, tower.input_norm)


def _heads(
    graph: Graph, block: Block, normed: str, *, first_query_only: bool = False
) -> tuple[str, str, str]:
    """Add queries [n, H, tokens, d], scaled by 1/√d, keys [n, H, d, tokens] and values."""
    weight, bias = _array(block.qkv_weight).T, _array(block.qkv_bias)
    width = weight.shape[0]
    scale = 1 / math.sqrt(width // block.heads)
    shape = graph.integers(0, 0, block.heads, -1)
    of_queries = (
        graph.add("Slice", normed, *_bounds(graph, 0, 1, axis=1)) if first_query_only else normed
    )
    parts = []
    for index, source in enumerate((of_queries, normed, normed)):
        columns = slice(index * width, (index + 1) * width)
        factor = scale if index == 0 else 1.0
        matrix = graph.weight(weight[:, columns] * factor, sensitive=True)
        part = graph.add("MatMul", source, matrix)
        part = graph.add("Add", part, graph.floats(bias[columns] * factor))
        order = [0, 2, 3, 1] if index == 1 else [0, 2, 1, 3]
        parts.append(graph.add("Transpose", graph.add("Reshape", part, shape), perm=order))
    return parts[0], parts[1], parts[2]


def _after_attention(graph: Graph, block: Block, x: str, output: str) -> tuple[str, str]:
    """Add the rest of a block behind attention's output [n, H, tokens, d].

    Returns:
        The block's output [n, tokens, W], and W_O as a matrix on all z, [W, W].
    """
    flat = graph.add("Transpose", output, perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", flat, graph.integers(0, 0, -1))
    out_weight = graph.weight(
        _array(block.out_weight).T * _factor(block.attention_scale), sensitive=True
    )
    attended = graph.add("MatMul", flat, out_weight)
    attended = graph.add("Add", attended, graph.floats(_out_bias(block)))
    x = graph.add("Add", x, attended)
    hidden = _linear(graph, _layer_norm(graph, x, block.mlp_norm), block.mlp_in)
    if is_quick_gelu(block.activation):
        slope = graph.add("Mul", hidden, graph.floats(np.array(1.702)))
        hidden = graph.add("Mul", hidden, graph.add("Sigmoid", slope))
    else:
        normal = graph.add("Erf", graph.add("Mul", hidden, graph.floats(np.array(math.sqrt(0.5)))))
        normal = graph.add("Add", normal, graph.floats(np.array(1.0)))
        half = graph.add("Mul", hidden, graph.floats(np.array(0.5)))
        hidden = graph.add("Mul", half, normal)
    mlp = _linear(graph, hidden, block.mlp_out, _factor(block.mlp_scale))
    return graph.add("Add", x, mlp), out_weight


def is_quick_gelu(activation: object) -> bool:
    """Whether an activation is open_clip's `QuickGELU`."""
    return type(activation).__name__ == "QuickGELU"


def _out_bias(block: Block) -> Array:
    """b_O with LayerScale, [W]."""
    bias: Array = _array(block.out_bias) * _factor(block.attention_scale)
    return bias


def _linear(graph: Graph, x: str, layer: nn.Linear, scale: Array | float = 1.0) -> str:
    weight = graph.weight(_array(layer.weight).T * scale)
    return graph.add(
        "Add", graph.add("MatMul", x, weight), graph.floats(_array(layer.bias) * scale)
    )


def _layer_norm(graph: Graph, x: str, norm: nn.LayerNorm) -> str:
    weights = (graph.floats(_array(part)) for part in (norm.weight, norm.bias))
    return graph.add("LayerNormalization", x, *weights, axis=-1, epsilon=norm.eps)


def _bounds(graph: Graph, start: int, stop: int, axis: int = 0) -> tuple[str, str, str]:
    """The inputs of Slice behind its first."""
    return graph.integers(start), graph.integers(stop), graph.integers(axis)


def _factor(layer_scale: Tensor | None) -> Array | float:
    return 1.0 if layer_scale is None else _array(layer_scale)


def _array(tensor: Tensor) -> Array:
    """In float64, so that what is folded is rounded once, when it is stored."""
    return exact(tensor).numpy()
