"""The decomposition is an identity, tested against open_clip's own embedding term by term."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints import tiny_model, vision_of, write_local_dir
from torch import Tensor

from clipheads.bundle.choices import NumberFormat
from clipheads.maths.decomposition import (
    contributions,
    decompose,
    decompose_patches,
    head_basis,
    precision_error,
)
from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model

TINY_VARIANTS = {
    "plain": {},
    "more_patches": {"image_size": 80},
    "layer_scale": {"ls_init_value": 0.3},
    "no_ln_pre": {"no_ln_pre": True},
    "sincos_positions": {"pos_embed_type": "sin_cos_2d"},
    "norm_after_pooling": {"final_ln_after_pool": True},
    "large_epsilon": {"norm_kwargs": {"eps": 0.05}},
    "wide_embedding": {"embed_dim": 80},
    "embedding_narrower_than_heads": {"embed_dim": 20},
}


def pixels_for(model: ClipModel, images: int = 2, seed: int = 1) -> Tensor:
    side = model.architecture.image_size
    return torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(seed))


def literal_contributions(model: ClipModel, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Section 3 of the design word by word, in float64, with attention weights written out.

    Returns the contributions of heads [B, L, H, D], MLPs [B, L, D] and the input [B, D].
    """
    visual = model.clip.visual.double()
    try:
        x = visual._embeds(pixels.double())
        inputs, heads, mlps = x[:, 0], [], []
        for block in visual.transformer.resblocks:
            attention = block.attn
            h, w = attention.num_heads, attention.embed_dim
            projected = block.ln_1(x) @ attention.in_proj_weight.T + attention.in_proj_bias
            q, k, v = (
                part.reshape(*x.shape[:2], h, w // h).transpose(1, 2)
                for part in projected.chunk(3, -1)
            )
            z = torch.softmax(q @ k.transpose(-1, -2) / (w // h) ** 0.5, -1) @ v
            by_head = attention.out_proj.weight.reshape(w, h, w // h)
            a = block.ls_1(torch.einsum("bhtd,whd->bthw", z, by_head) + attention.out_proj.bias / h)
            x = x + a.sum(2)
            m = block.ls_2(block.mlp(block.ln_2(x)))
            x = x + m
            heads.append(a[:, 0])
            mlps.append(m[:, 0])
        r = x[:, 0]
        a, m = torch.stack(heads, 1), torch.stack(mlps, 1)
        terms = 2 * a.shape[1] + 1
        mu = r.mean(-1, keepdim=True)
        sigma = (r.var(-1, correction=0, keepdim=True) + visual.ln_post.eps).sqrt()
        gamma, beta = visual.ln_post.weight, visual.ln_post.bias
        length = (((r - mu) / sigma * gamma + beta) @ visual.proj).norm(dim=-1, keepdim=True)

        def contribution(term: Tensor, parts: int) -> Tensor:
            view = (-1, *[1] * (term.ndim - 1))
            normed = (term - mu.view(view) / parts) * gamma / sigma.view(view) + beta / parts
            return normed @ visual.proj / length.view(view)

        return (
            contribution(a, terms * a.shape[2]),
            contribution(m, terms),
            contribution(inputs, terms),
        )
    finally:
        visual.float()


def assert_exact(model: ClipModel, pixels: Tensor) -> None:
    parts = decompose(model, pixels)
    basis = head_basis(model)
    c = contributions(parts, basis)
    architecture = model.architecture
    r = min(architecture.d_head + 3, architecture.embedding_dim)
    layers, heads = architecture.layers, architecture.heads
    assert parts.coordinates.shape == (len(pixels), layers, heads, r)

    own = model.clip.encode_image(pixels)
    torch.testing.assert_close(parts.norm, own.norm(dim=-1), rtol=1e-5, atol=0)
    torch.testing.assert_close(
        parts.embedding, own / own.norm(dim=-1, keepdim=True), rtol=0, atol=1e-6
    )
    total = c.sum((1, 2)) + parts.mlps.sum(1) + parts.input
    torch.testing.assert_close(total, parts.embedding, rtol=0, atol=1e-5)

    gram = basis.transpose(-1, -2) @ basis
    torch.testing.assert_close(gram, torch.eye(r).expand_as(gram), rtol=0, atol=1e-5)

    exact_heads, exact_mlps, exact_input = literal_contributions(model, pixels)
    residue = (exact_heads - c).norm(dim=-1)
    assert (residue <= 1e-5 * exact_heads.norm(dim=-1)).all()
    for ours, exact in ((parts.mlps, exact_mlps), (parts.input, exact_input)):
        assert ((ours - exact).norm(dim=-1) <= 1e-5 * exact.norm(dim=-1)).all()


def assert_tokens_sum_to_heads(
    model: ClipModel, pixels: Tensor, heads: list[tuple[int, int]]
) -> None:
    tokens = decompose_patches(model, pixels, heads)
    rows, columns = model.architecture.grid
    assert tokens.shape[:3] == (len(pixels), len(heads), rows * columns + 1)
    layer, head = (torch.tensor(index) for index in zip(*heads, strict=True))
    whole = decompose(model, pixels).coordinates[:, layer, head]
    torch.testing.assert_close(tokens.sum(2), whole, rtol=0, atol=1e-5)
    assert ((tokens.sum(2) - whole).norm(dim=-1) <= 1e-4 * whole.norm(dim=-1)).all()


@pytest.mark.parametrize("variant", TINY_VARIANTS)
def test_contributions_are_exact_for_every_kind_of_block(variant: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / variant, **TINY_VARIANTS[variant])
    assert_exact(model, pixels_for(model, images=3))


@pytest.mark.parametrize("variant", TINY_VARIANTS)
def test_tokens_sum_to_their_head(variant: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / variant, **TINY_VARIANTS[variant])
    assert_tokens_sum_to_heads(model, pixels_for(model, images=3), [(2, 1), (0, 0), (1, 1), (2, 0)])


@pytest.mark.parametrize(
    ("architecture", "vision"),
    [
        ("ViT-B-32", {}),
        ("ViT-B-16", {}),
        # A quarter of its patches: more depth and width is what is new in it.
        pytest.param("ViT-L-14", {"image_size": 112}, marks=pytest.mark.slow),
    ],
)
def test_full_size_models_are_exact(
    architecture: str, vision: dict[str, int], tmp_path: Path
) -> None:
    folder = write_local_dir(tmp_path / "random", vision_of(architecture, **vision))
    model = load_model(f"local-dir:{folder}", device="cpu")
    shutil.rmtree(folder)
    pixels = pixels_for(model, images=1)
    assert_exact(model, pixels)
    last = model.architecture.layers - 1
    assert_tokens_sum_to_heads(model, pixels, [(0, 1), (last, 0), (last, 7), (last // 2, 3)])


def test_biases_that_are_zero_leave_directions_without_coordinates(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "zero")
    with torch.no_grad():
        model.clip.visual.ln_post.bias.zero_()
        for block in model.clip.visual.transformer.resblocks:
            block.attn.out_proj.bias.zero_()
    assert_exact(model, pixels_for(model))


def test_a_token_is_the_heads_formula_with_its_summand(tmp_path: Path) -> None:
    """Without b_O, μ and β a patch token's contribution is linear in α[n] v[n] alone."""
    model = tiny_model(tmp_path / "summand")
    pixels = pixels_for(model)
    tokens = decompose_patches(model, pixels, [(0, 1)])[:, 0] @ head_basis(model)[0, 1].T
    visual = model.clip.visual
    block = visual.transformer.resblocks[0]
    normed = block.ln_1(visual._embeds(pixels))
    # nn.MultiheadAttention itself gives the attention row of every head.
    _, alpha = block.attn(normed, normed, normed, average_attn_weights=False)
    v = (normed @ block.attn.in_proj_weight[128:].T + block.attn.in_proj_bias[128:])[..., 32:]
    summands = alpha[:, 1, 0, :, None] * v @ block.attn.out_proj.weight[:, 32:].T

    differences = tokens[:, 1:] - tokens[:, :1]  # what all tokens share drops out
    expected = ((summands[:, 1:] - summands[:, :1]) * visual.ln_post.weight) @ visual.proj
    blocks_out = visual.transformer(visual._embeds(pixels))[:, 0]
    sigma = (blocks_out.var(-1, correction=0) + visual.ln_post.eps).sqrt()
    scale = sigma * model.clip.encode_image(pixels).norm(dim=-1)
    torch.testing.assert_close(differences, expected / scale[:, None, None], rtol=0, atol=1e-6)


def test_decomposing_leaves_the_model_and_the_pixels_as_they_were(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "same")
    pixels = pixels_for(model)
    before, copy = model.clip.encode_image(pixels), pixels.clone()
    decompose(model, pixels)
    decompose_patches(model, pixels, [(0, 0)])
    assert torch.equal(model.clip.encode_image(pixels), before)
    assert torch.equal(pixels, copy)


def test_images_of_a_batch_do_not_mix(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "alone")
    pixels = pixels_for(model, images=4)
    together = decompose(model, pixels).coordinates
    alone = torch.cat([decompose(model, image[None]).coordinates for image in pixels])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("precision", "bound"), [("bf16", 0.03), ("fp16", 0.004)])
def test_contributions_sum_to_the_embedding_in_a_lower_precision_too(
    tmp_path: Path, precision: NumberFormat, bound: float
) -> None:
    model = replace(tiny_model(tmp_path), precision=precision)
    pixels = pixels_for(model)
    parts = decompose(model, pixels)
    heads = contributions(parts, head_basis(model)).sum((1, 2))
    chosen = [(0, 1), (2, 0)]

    patches = decompose_patches(model, pixels, chosen).sum(2)

    assert (heads + parts.mlps.sum(1) + parts.input - parts.embedding).abs().max() <= 1e-5
    assert (patches - parts.coordinates[:, [0, 2], [1, 0]]).abs().max() <= 1e-5
    # Lower precision costs something, and that is measured against fp32.
    assert 1e-6 < precision_error(model, pixels) < bound
    assert precision_error(replace(model, precision="fp32"), pixels) == 0
