"""Ablation in the forward pass is what open_clip computes with one head's output replaced."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from checkpoints import tiny_model
from torch import Tensor, nn
from torch.nn.functional import normalize

from clipheads.maths.decomposition import contributions, decompose, head_basis
from clipheads.maths.patching import Ablated, ablate, mean_outputs
from clipheads.maths.total_effect import measure_effects
from clipheads.model.clip_model import ClipModel

HEADS = [(layer, head) for layer in range(3) for head in range(2)]


def pixels_for(model: ClipModel, images: int = 5) -> Tensor:
    side = model.architecture.image_size
    return torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(1))


@contextmanager
def replaced(model: ClipModel, head: tuple[int, int], mean: Tensor) -> Iterator[None]:
    """open_clip's own model, in which a head has the output `mean` [tokens, d_head] on any image.

    W_O of the head is set to zero, and W_O z̄ added to what attention returns.
    """
    layer, position = head
    block = model.clip.visual.transformer.resblocks[layer]
    width = mean.shape[-1]
    columns = slice(position * width, (position + 1) * width)
    weight = block.attn.out_proj.weight
    kept = weight.detach().clone()
    constant = mean @ kept[:, columns].T

    def add(_module: nn.Module, _inputs: object, output: tuple[Tensor, None]) -> object:
        # For the class token alone in the last layer, where nothing else reaches the embedding.
        changed = output[0].clone()
        changed[:, : len(constant)] += constant
        return (changed, *output[1:])

    hook = block.attn.register_forward_hook(add)
    with torch.no_grad():
        weight[:, columns] = 0
    yield
    hook.remove()
    with torch.no_grad():
        weight.copy_(kept)


def ablated(model: ClipModel, pixels: Tensor) -> Ablated:
    return ablate(model.tower, pixels, HEADS, mean_outputs(model.tower, [pixels]))


@pytest.mark.parametrize(
    "variant",
    [{}, {"ls_init_value": 0.3}, {"no_ln_pre": True}],
    ids=["plain", "layer_scale", "no_ln_pre"],
)
def test_total_is_a_whole_forward_pass_with_the_head_replaced(
    variant: dict[str, object], tmp_path: Path
) -> None:
    model = tiny_model(tmp_path, **variant)
    model.clip.double()
    pixels = pixels_for(model).double()
    means = mean_outputs(model.tower, [pixels[:2], pixels[2:]])

    found = ablate(model.tower, pixels, HEADS, means)

    with torch.no_grad():
        whole = normalize(model.clip.encode_image(pixels), dim=-1)
        assert (found.whole - whole).abs().max() < 1e-12
        for at, (layer, head) in enumerate(HEADS):
            with replaced(model, (layer, head), means[layer][head]):
                own = normalize(model.clip.encode_image(pixels), dim=-1)
            assert (found.total[:, at] - own).abs().max() < 1e-10
            assert (own - whole).abs().max() > 1e-3  # of which rounding is no part


def test_float32_is_as_exact_as_float32_can_be(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    single = ablated(model, pixels)
    model.clip.double()
    double = ablated(model, pixels.double())
    for name in ("whole", "frozen", "direct", "total"):
        assert (getattr(single, name) - getattr(double, name)).abs().max() < 1e-5


def test_frozen_is_the_decomposition_with_the_contribution_of_the_mean_output(
    tmp_path: Path,
) -> None:
    """A contribution c is affine in z for given μ, σ, ‖f‖, so c(z) − c(z̄) is what is lost."""
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    means = mean_outputs(model.tower, [pixels])
    found = ablate(model.tower, pixels, HEADS, means)
    parts = decompose(model, pixels)
    layer, head = 1, 1
    c = contributions(parts, head_basis(model))[:, layer, head]

    # A bias moves z by z̄ everywhere, so that of W_O alone c(z̄) can be read off a zeroed head.
    visual = model.clip.visual
    weight = visual.transformer.resblocks[layer].attn.out_proj.weight[:, 32:]
    residual = visual.transformer(visual._embeds(pixels))[:, 0]
    sigma = (residual.var(-1, correction=0, keepdim=True) + visual.ln_post.eps).sqrt()
    constant = c + _projected(visual, means[layer][head][0] @ weight.T, sigma, parts.norm)
    z = _class_output(model, pixels, layer, head)
    of_mean = constant - _projected(visual, z @ weight.T, sigma, parts.norm)

    expected = normalize(parts.embedding - c + of_mean, dim=-1)
    torch.testing.assert_close(found.frozen[:, HEADS.index((1, 1))], expected, rtol=0, atol=1e-6)


def _projected(visual: nn.Module, a: Tensor, sigma: Tensor, length: Tensor) -> Tensor:
    projected: Tensor = (a * visual.ln_post.weight / sigma) @ visual.proj / length[:, None]  # type: ignore[operator, union-attr]
    return projected


def _class_output(model: ClipModel, pixels: Tensor, layer: int, head: int) -> Tensor:
    """The class token's z, from open_clip's own modules."""
    visual = model.clip.visual
    x = visual._embeds(pixels)
    for block in visual.transformer.resblocks[:layer]:
        x = block(x)
    block = visual.transformer.resblocks[layer]
    normed = block.ln_1(x)
    _, alpha = block.attn(normed, normed, normed, average_attn_weights=False)
    values = normed @ block.attn.in_proj_weight[128:].T + block.attn.in_proj_bias[128:]
    z: Tensor = torch.einsum(
        "bn,bnd->bd", alpha[:, head, 0], values[..., 32 * head : 32 * head + 32]
    )
    return z


def test_in_the_last_layer_only_its_own_mlp_tells_total_from_direct(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    last = [at for at, (layer, _) in enumerate(HEADS) if layer == 2]
    before = ablated(model, pixels)
    assert (before.total - before.direct)[:, last].abs().max() > 1e-4

    mlp = model.clip.visual.transformer.resblocks[2].mlp.c_proj
    with torch.no_grad():
        mlp.weight.zero_()
    without = ablated(model, pixels)

    torch.testing.assert_close(without.total[:, last], without.direct[:, last], rtol=0, atol=1e-6)
    earlier = [at for at in range(len(HEADS)) if at not in last]
    assert (without.total - without.direct)[:, earlier].abs().max() > 1e-4


def test_direct_and_frozen_differ_by_the_last_norm_alone(tmp_path: Path) -> None:
    """Direct subtracts the mean and divides by σ of the changed stream; frozen, of the whole one.

    σ scales all but β, and the mean goes through γ P. Without β and γ P the two are one embedding.
    """
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    assert measure_effects(ablated(model, pixels)).norm_error > 1e-3
    with torch.no_grad():
        model.clip.visual.ln_post.bias.zero_()
        gamma = model.clip.visual.ln_post.weight
        projection = model.clip.visual.proj
        direction = normalize(gamma, dim=0)
        projection -= torch.outer(direction, direction @ projection)
    assert measure_effects(ablated(model, pixels)).norm_error < 1e-4


def test_a_head_of_zeros_and_a_head_that_never_varies_ablate_to_nothing(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    with torch.no_grad():
        blocks = model.clip.visual.transformer.resblocks
        blocks[0].attn.out_proj.weight[:, :32] = 0  # writes nothing
        blocks[1].attn.in_proj_weight[128 + 32 :] = 0  # reads its bias, whatever the image
    found = ablated(model, pixels)
    effects = measure_effects(found)
    for head in [(0, 0), (1, 1)]:
        at = HEADS.index(head)
        for after in (found.frozen, found.direct, found.total):
            assert (after[:, at] - found.whole).abs().max() < 1e-6
        for effect in (effects.direct, effects.total):
            assert effect.value[at] < 1e-12
        for relative in (effects.ratio, effects.kept):
            assert relative.value[at].isnan()
    others = [at for at, head in enumerate(HEADS) if head not in [(0, 0), (1, 1)]]
    assert (effects.direct.value[others] > 1e-7).all()
    assert effects.ratio.value[others].isfinite().all()


def test_heads_come_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    pixels = pixels_for(model)
    means = mean_outputs(model.tower, [pixels])
    whole = ablate(model.tower, pixels, HEADS, means)
    some = ablate(model.tower, pixels, [(2, 1), (0, 0)], means)
    torch.testing.assert_close(some.total, whole.total[:, [5, 0]], rtol=0, atol=1e-6)
    torch.testing.assert_close(some.direct, whole.direct[:, [5, 0]], rtol=0, atol=1e-6)
