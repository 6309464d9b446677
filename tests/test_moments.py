"""Moments are exact, do not depend on how a gallery was cut, and shares account for everything."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipheads.maths.decomposition import Decomposition, contributions, decompose, head_basis
from clipheads.maths.moments import Moments, moments, split_terms, term_moments, term_shares
from clipheads.model.clip_model import ClipModel


def cut(total: int, cuts: list[int]) -> list[slice]:
    edges = sorted({0, total, *(edge % total for edge in cuts)})
    return [slice(low, high) for low, high in itertools.pairwise(edges)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    total=st.integers(1, 60),
    cuts=st.lists(st.integers(0, 1000), max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_moments_do_not_depend_on_the_shards_or_their_order(
    seed: int, total: int, cuts: list[int], order: object
) -> None:
    random = np.random.default_rng(seed)
    samples = random.normal(size=(total, 2, 3, 4)) * random.uniform(0.1, 3, size=(2, 3, 4)) + 50
    shards = [moments(torch.from_numpy(samples[part])) for part in cut(total, cuts)]
    order.shuffle(shards)  # type: ignore[attr-defined]
    merged = shards[0]
    for shard in shards[1:]:
        merged = merged.merge(shard)

    assert merged.count == total
    np.testing.assert_allclose(merged.mean, samples.mean(0), rtol=1e-12)
    for head in np.ndindex(2, 3):
        expected = np.cov(samples[:, *head].T, bias=True)
        np.testing.assert_allclose(merged.covariance[head], expected, rtol=0, atol=1e-11)


def test_merging_is_associative() -> None:
    random = torch.Generator().manual_seed(0)
    a, b, c = (moments(torch.randn(n, 5, generator=random) + n) for n in (1, 7, 30))
    left, right = a.merge(b).merge(c), a.merge(b.merge(c))
    torch.testing.assert_close(left.mean, right.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(left.scatter, right.scatter, rtol=1e-12, atol=1e-12)


def test_float32_samples_far_from_zero_keep_their_covariance() -> None:
    """A sum of squares in float32 would lose a variance of 1 beside a mean of 10,000 altogether."""
    samples = (torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)) + 1e4).float()
    half = len(samples) // 2
    merged: Moments = moments(samples[:half]).merge(moments(samples[half:]))
    assert merged.mean.dtype == torch.float64
    np.testing.assert_allclose(
        merged.covariance, np.cov(samples.double().numpy().T, bias=True), rtol=0, atol=1e-9
    )


@pytest.fixture(scope="module")
def decomposed(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipModel, Tensor, Tensor]:
    folder: Path = tmp_path_factory.mktemp("models") / "tiny"
    model = tiny_model(folder)
    pixels = torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    return model, pixels, head_basis(model)


def all_terms(parts: Decomposition, basis: Tensor) -> Tensor:
    """Return the contributions themselves, [B, terms, D] in float64."""
    heads = contributions(parts, basis).flatten(1, 2)
    return torch.cat([parts.input[:, None], heads, parts.mlps], dim=1).double()


def test_shares_of_an_image_are_inner_products_and_sum_to_one(
    decomposed: tuple[ClipModel, Tensor, Tensor],
) -> None:
    model, pixels, basis = decomposed
    parts = decompose(model, pixels)
    shares = term_shares(parts, basis)
    expected = torch.einsum("btd,bd->bt", all_terms(parts, basis), parts.embedding.double())
    torch.testing.assert_close(shares, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(shares.sum(1), torch.ones(12).double(), rtol=0, atol=1e-5)


def test_terms_are_split_in_the_order_in_which_they_are_given(
    decomposed: tuple[ClipModel, Tensor, Tensor],
) -> None:
    model, pixels, basis = decomposed
    parts = decompose(model, pixels)
    c = contributions(parts, basis)
    inputs, heads, mlps = split_terms(term_shares(parts, basis), layers=3, heads=2)
    assert inputs.shape == (12,)
    assert heads[4, 2, 1] == pytest.approx(float(c[4, 2, 1] @ parts.embedding[4]), abs=1e-6)
    assert mlps[4, 1] == pytest.approx(float(parts.mlps[4, 1] @ parts.embedding[4]), abs=1e-6)


@pytest.mark.parametrize("sizes", [[12], [5, 7], [1, 1, 10], [4, 4, 4]])
def test_mean_and_variance_shares_account_for_the_whole_embedding(
    decomposed: tuple[ClipModel, Tensor, Tensor], sizes: list[int]
) -> None:
    model, pixels, basis = decomposed
    total = None
    for batch in pixels.split(sizes):
        shard = term_moments(decompose(model, batch), basis)
        total = shard if total is None else total.merge(shard)
    assert total is not None
    assert total.count == 12

    whole = decompose(model, pixels)
    c, f = all_terms(whole, basis), whole.embedding.double()
    deviations = f - f.mean(0)
    variance = deviations.square().sum()
    covariances = torch.einsum("btd,bd->t", c - c.mean(0), deviations)
    torch.testing.assert_close(
        total.mean_share, torch.einsum("btd,bd->t", c, f) / 12, rtol=0, atol=1e-6
    )
    torch.testing.assert_close(total.variance_share, covariances / variance, rtol=1e-4, atol=1e-4)
    assert float(total.mean_share.sum()) == pytest.approx(1, abs=1e-5)
    assert float(total.variance_share.sum()) == pytest.approx(1, abs=1e-9)
    assert float(total.scatter.sum()) == pytest.approx(float(variance), rel=1e-3)


def test_a_single_image_has_no_variance_to_share(
    decomposed: tuple[ClipModel, Tensor, Tensor],
) -> None:
    model, pixels, basis = decomposed
    alone = term_moments(decompose(model, pixels[:1]), basis)
    assert torch.equal(alone.variance_share, torch.zeros(1 + 3 * 2 + 3, dtype=torch.float64))
