"""Singular directions of what a head's weights write, and the texts that describe them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from few_published import few_published_heads
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from synthetic_bundle import write_bundle
from synthetic_directions import HIGH

from clipheads.maths.coherent_pursuit import COHERENCE, SPARSITY, centred_texts, describe
from clipheads.maths.directions import orient, singular_directions, value_output_factors
from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model
from headatlas.site import generate_site


@pytest.fixture(scope="module")
def model() -> ClipModel:
    return load_model("local-dir:data/demo/demo-clip", device="cpu")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.nn.functional.normalize(random(*shape, seed=seed), dim=-1)


def test_a_known_matrix_has_its_known_directions() -> None:
    """M = 3 x₁ e₂ᵀ + 1 x₂ e₀ᵀ with orthonormal x: directions e₂ and e₀, shares 9/10 and 1/10."""
    x1, x2 = torch.linalg.qr(random(7, 2)).Q.T
    reads = torch.stack([x1, x2], dim=1)[None]
    writes = torch.tensor([[[0.0, 0, 3, 0], [1.0, 0, 0, 0]]], dtype=torch.float64)
    found = singular_directions(reads, writes)
    assert found.values[0].tolist() == pytest.approx([3, 1])
    assert found.shares[0].tolist() == pytest.approx([0.9, 0.1])
    assert found.vectors[0].abs() == pytest.approx(
        torch.tensor([[0.0, 0, 1, 0], [1.0, 0, 0, 0]]).numpy(), abs=1e-12
    )


def test_all_directions_together_are_the_matrix() -> None:
    """M Σ v vᵀ = M: nothing that a head writes lies outside its directions."""
    reads, writes = random(3, 12, 4), random(3, 4, 9, seed=1)
    found, matrix = singular_directions(reads, writes), reads @ writes
    assert torch.allclose(matrix @ found.vectors.mT @ found.vectors, matrix)
    assert torch.allclose(found.values.square().sum(1), matrix.square().sum((1, 2)))
    assert torch.allclose(found.shares.sum(1), torch.ones(3, dtype=torch.float64))


def test_a_head_of_zeros_writes_nothing() -> None:
    found = singular_directions(random(1, 6, 2), torch.zeros(1, 2, 5, dtype=torch.float64))
    assert found.shares.tolist() == [[0, 0]]


def test_the_matrix_is_what_the_head_does_to_a_token(model: ClipModel) -> None:
    """Of two tokens x, x' that a head reads alone, what it writes differs by (x̂ − x̂') M exactly.

    x̂ is x as LayerNorm leaves it before its weights; the deviation of `ln_post` is left out.
    """
    tower = model.tower
    reads, writes = value_output_factors(tower)
    layer, head, d = 3, 1, model.architecture.d_head
    block = tower.blocks[layer]
    x = random(2, model.architecture.width, seed=5).float() + 0.7
    rows = slice(head * d, (head + 1) * d)
    width = model.architecture.width
    with torch.no_grad():
        value = torch.nn.functional.linear(
            block.attention_norm(x), block.qkv_weight[2 * width :], block.qkv_bias[2 * width :]
        )[:, rows]
        written = value @ block.out_weight[:, rows].T
        if block.attention_scale is not None:
            written = written * block.attention_scale
        centred = written - written.mean(1, keepdim=True)
        embedding = (centred * tower.norm.weight) @ tower.projection
        normal = torch.nn.functional.layer_norm(x, (width,), eps=block.attention_norm.eps)
    row = layer * model.architecture.heads + head
    predicted = (normal[0] - normal[1]).double() @ reads[row] @ writes[row]
    assert torch.allclose((embedding[0] - embedding[1]).double(), predicted, atol=1e-5)


def test_signs_do_not_depend_on_the_decomposition() -> None:
    """The pole at which the nearest text lies is the positive one, whatever sign came in."""
    vectors, texts = unit(2, 3, 8), unit(20, 8, seed=1)
    signs = torch.tensor([[[1.0], [-1], [-1]], [[-1.0], [1], [-1]]])
    oriented = orient(vectors, texts)
    assert torch.equal(oriented, orient(vectors * signs, texts))
    cosines = oriented @ texts.T
    assert (cosines.amax(-1) == cosines.abs().amax(-1)).all()


def test_a_planted_sum_of_texts_is_found_with_its_weights() -> None:
    """Among nearly orthogonal texts the very ones that make up a direction are found."""
    texts = unit(40, 400, seed=2)
    weights = torch.tensor([0.7, 0.5, 0.3], dtype=torch.float64)
    planted = weights @ texts[[4, 11, 29]]
    sums = describe((planted / planted.norm())[None], texts)
    assert [i for i in sums.indices[0].tolist() if i >= 0] == [4, 11, 29]
    assert torch.allclose(sums.weights[0, :3], weights / planted.norm())
    assert float(sums.fidelity) == pytest.approx(1)


def test_coherence_prefers_the_text_that_fits_those_chosen() -> None:
    """Of two texts about equally near to what is left, that which resembles the first is chosen."""
    first = torch.tensor([1.0, 0, 0, 0])
    stranger = torch.tensor([0, 0, 1.0, 0])
    relative = torch.nn.functional.normalize(torch.tensor([0.3, 1.0, 0, 0]), dim=0)
    direction = torch.nn.functional.normalize(torch.tensor([1.0, 0.5, 0.5, 0]), dim=0)
    left = direction - direction @ first * first
    assert left @ stranger > left @ relative, "matching pursuit alone would take the stranger"
    assert left @ stranger < left @ relative + COHERENCE * first @ relative
    sums = describe(direction[None], torch.stack([first, stranger, relative]))
    assert sums.indices[0, :2].tolist() == [0, 2]


def test_an_opposite_text_never_gets_a_weight() -> None:
    texts = torch.tensor([[-1.0, 0.0], [0.0, -1.0]])
    sums = describe(torch.tensor([[0.6, 0.8]]), texts)
    assert sums.indices.max() == -1
    assert (float(sums.weights.sum()), float(sums.fidelity)) == (0, 0)


def test_a_text_that_is_there_twice_is_chosen_once() -> None:
    texts = torch.eye(3)[[0, 0, 1]]
    sums = describe(torch.tensor([[0.8, 0.6, 0.0]]), texts)
    assert [i for i in sums.indices[0].tolist() if i >= 0] == [0, 2]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_weights_solve_non_negative_least_squares(seed: int, size: int) -> None:
    texts, directions = unit(30, size, seed=seed), unit(4, size, seed=seed + 1)
    sums = describe(directions, texts)
    assert (sums.weights >= 0).all()
    for direction, indices, weights, fidelity in zip(directions, *sums, strict=True):
        own = indices >= 0
        chosen = texts[indices[own]]
        if not own.any():
            continue
        best, _ = nnls(chosen.T.numpy(), direction.numpy())
        made = weights[own] @ chosen
        # In few dimensions other weights can make the same sum.
        assert np.allclose(best @ chosen.numpy(), made.numpy(), atol=1e-6)
        assert float(made @ direction / made.norm()) == pytest.approx(float(fidelity), abs=1e-9)
        # What is left of the direction is orthogonal to the sum, so its length is the cosine.
        assert float(made.norm()) == pytest.approx(float(fidelity), abs=1e-6)
        assert own.sum() <= SPARSITY


def test_what_all_texts_share_is_left_out() -> None:
    cone = torch.nn.functional.normalize(unit(50, 10) * 0.2 + torch.eye(10)[0], dim=-1)
    centred = centred_texts(cone.double())
    assert float(cone.mean(0).norm()) > 0.9
    assert float(centred.mean(0).norm()) < 0.1
    assert torch.allclose(centred.norm(dim=1), torch.ones(50, dtype=torch.float64))


def test_a_page_tells_sums_that_are_no_better_than_chance(tmp_path: Path) -> None:
    """The page shows each weight and fidelity, and marks those that random directions reach."""
    atlas = write_bundle(tmp_path / "atlas", images=3, layers=1, heads=2)
    with few_published_heads():
        generate_site(atlas, tmp_path / "site")
    folder = tmp_path / "site/demo-clip/L0.H1"
    page = (folder / "index.html").read_text()
    shown = page.split('id="directions"')[1].split("</section>")[0]
    data = json.loads((folder / "head.json").read_text())["directions"]
    poles = [direction[side] for direction in data for side in ("negative", "positive")]
    texts = [
        f"{text['text']}</span>" in shown and f">{text['weight']:.2f}</span>" in shown
        for pole in poles
        for text in pole["texts"]
    ]
    assert len(texts) == 6
    assert all(texts)
    assert [f"fidelity {pole['fidelity']:.2f}" in shown for pole in poles] == [True] * 4
    assert shown.count("no better than chance") == sum(pole["fidelity"] <= HIGH for pole in poles)
    assert "No text of the pool lies this way." in shown
