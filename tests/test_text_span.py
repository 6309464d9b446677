"""TEXTSPAN from the covariance picks what the paper's algorithm picks from all outputs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clipheads.maths.text_span import Pick, textspan

Array = NDArray[np.float64]


def literal_textspan(outputs: Array, descriptions: Array, k: int) -> tuple[list[int], list[float]]:
    """Algorithm 1 of Gandelsman et al. (2024) as it is written, on outputs [N, D] themselves."""
    c = outputs - outputs.mean(0)
    total = c.var(0).sum()
    _, singular, rows = np.linalg.svd(c, full_matrices=False)
    rows = rows[singular > 1e-8 * singular[0]]
    r = descriptions @ rows.T @ rows
    picks, shares = [], []
    for _ in range(k):
        picks.append(int(np.argmax((c @ r.T).var(0))))
        direction = r[picks[-1]] / np.linalg.norm(r[picks[-1]])
        shares.append(float((c @ direction).var() / total))
        c = c - np.outer(c @ direction, direction)
        r = r - np.outer(r @ direction, direction)
    return picks, shares


def head_outputs(
    random: np.random.Generator, images: int, width: int, rank: int
) -> tuple[Array, Array]:
    """Return outputs [N, D] of a head that writes in a subspace, and its basis [D, rank]."""
    basis = np.linalg.qr(random.normal(size=(width, rank)))[0]
    spread = np.exp(-0.1 * np.arange(rank))
    mixing = np.linalg.qr(random.normal(size=(rank, rank)))[0]
    y = (random.normal(size=(images, rank)) * spread) @ mixing + 3 * random.normal(size=rank)
    return y @ basis.T, basis


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), rank=st.integers(5, 20), images=st.sampled_from([8, 40, 200])
)
def test_it_equals_the_algorithm_on_the_outputs(seed: int, rank: int, images: int) -> None:
    random = np.random.default_rng(seed)
    outputs, basis = head_outputs(random, images, width=48, rank=rank)
    descriptions = random.normal(size=(100, 48))
    descriptions /= np.linalg.norm(descriptions, axis=1, keepdims=True)
    y = outputs @ basis

    picks = textspan(np.cov(y.T, bias=True), descriptions @ basis, k=5)

    expected, shares = literal_textspan(outputs, descriptions, k=5)
    assert [pick.index for pick in picks] == expected
    assert [pick.share for pick in picks] == pytest.approx(shares, abs=1e-9)


def test_full_size_head() -> None:
    random = np.random.default_rng(7)
    outputs, basis = head_outputs(random, 500, width=512, rank=67)
    descriptions = random.normal(size=(800, 512))
    picks = textspan(np.cov((outputs @ basis).T, bias=True), descriptions @ basis, k=10)
    expected, shares = literal_textspan(outputs, descriptions, k=10)
    assert [pick.index for pick in picks] == expected
    assert [pick.share for pick in picks] == pytest.approx(shares, abs=1e-9)


def test_planted_directions_come_in_the_order_of_their_variance() -> None:
    covariance = np.diag([1.0, 9.0, 0.0, 4.0])
    picks = textspan(covariance, np.eye(4), k=4)
    assert [pick.index for pick in picks] == [1, 3, 0]
    assert [pick.share for pick in picks] == pytest.approx([9 / 14, 4 / 14, 1 / 14])


def test_the_first_pick_is_by_variance_of_the_projection_not_by_cosine() -> None:
    """The descriptions are not normalised within the head's space: a long one counts for more."""
    picks = textspan(np.diag([1.0, 2.0]), [[3.0, 0.0], [0.0, 1.0]], k=1)
    assert picks[0].index == 0


def test_a_description_and_its_double_are_picked_once() -> None:
    picks = textspan(np.diag([2.0, 1.0]), [[1.0, 0.1], [2.0, 0.2], [0.5, 0.05]], k=10)
    assert [pick.index for pick in picks] == [1]


def test_descriptions_outside_the_space_are_never_picked() -> None:
    covariance = np.diag([1.0, 0.0])
    assert textspan(covariance, [[0.0, 5.0], [0.0, 0.0], [1e-9, 1.0]], k=3) == []
    assert textspan(covariance, [[0.0, 5.0], [1e-3, 1.0]], k=3) == [Pick(1, 1.0)]


def test_directions_without_variance_do_not_matter() -> None:
    """The basis may be completed by any directions in which a head never writes."""
    random = np.random.default_rng(3)
    factor = random.normal(size=(12, 6))
    covariance = np.zeros((8, 8))
    covariance[:6, :6] = factor.T @ factor
    descriptions = random.normal(size=(30, 8))
    changed = descriptions.copy()
    changed[:, 6:] = random.normal(size=(30, 2))
    ours, theirs = (textspan(covariance, texts, k=6) for texts in (descriptions, changed))
    assert [pick.index for pick in ours] == [pick.index for pick in theirs]
    assert [pick.share for pick in ours] == pytest.approx([pick.share for pick in theirs])


@pytest.mark.parametrize(
    ("covariance", "descriptions"),
    [(np.zeros((3, 3)), np.eye(3)), (np.eye(3), np.zeros((0, 3))), (np.eye(3), np.zeros((4, 3)))],
    ids=["no variance", "no descriptions", "only empty descriptions"],
)
def test_nothing_to_pick(covariance: Array, descriptions: Array) -> None:
    assert textspan(covariance, descriptions) == []


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), r=st.integers(1, 12), n=st.integers(1, 40))
def test_shares_never_exceed_the_variance_and_reach_it_at_full_rank(
    seed: int, r: int, n: int
) -> None:
    random = np.random.default_rng(seed)
    factor = random.normal(size=(3 * r, r))
    picks = textspan(factor.T @ factor, random.normal(size=(n, r)), k=2 * r)
    assert len({pick.index for pick in picks}) == len(picks) == min(n, r)
    assert all(pick.share > 0 for pick in picks)
    total = sum(pick.share for pick in picks)
    assert total <= 1 + 1e-9
    if n >= r:
        assert total == pytest.approx(1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-4, 1e4))
def test_picks_do_not_depend_on_rotation_or_scale(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    factor, descriptions = random.normal(size=(30, 9)), random.normal(size=(25, 9))
    rotation = np.linalg.qr(random.normal(size=(9, 9)))[0]
    covariance = factor.T @ factor
    plain = textspan(covariance, descriptions, k=5)
    turned = textspan(scale * rotation.T @ covariance @ rotation, descriptions @ rotation, k=5)
    assert [pick.index for pick in plain] == [pick.index for pick in turned]
    assert [pick.share for pick in plain] == pytest.approx([pick.share for pick in turned])


def test_inputs_are_left_as_they_were_and_tensors_serve_as_well_as_arrays() -> None:
    covariance = torch.diag(torch.tensor([2.0, 1.0], dtype=torch.float64))
    descriptions = torch.eye(2, dtype=torch.float64)
    kept = descriptions.clone()
    picks = textspan(covariance, descriptions)
    assert torch.equal(descriptions, kept)
    assert picks == textspan(covariance.numpy(), descriptions.numpy())
