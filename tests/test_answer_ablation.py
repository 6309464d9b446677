"""Answers to zero-shot questions with one term of the embedding replaced by its mean."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.maths.answer_ablation import ablated_answers
from clipheads.maths.zero_shot import answer_texts

IMAGES, HEADS, WIDTH, RANK, TEXTS = 9, 3, 8, 4, 10
QUESTIONS = [[0, 1, 2], [9, 4], [5, 6, 7, 8]]


def made_of_heads(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit embeddings [N, D] that are the sum of heads, their y [N, heads, r], B, and texts."""
    random = torch.Generator().manual_seed(seed)
    y = torch.randn(IMAGES, HEADS, RANK, generator=random, dtype=torch.float64)
    basis = torch.linalg.qr(
        torch.randn(HEADS, WIDTH, RANK, generator=random, dtype=torch.float64)
    ).Q
    length = torch.einsum("nhr,hdr->nd", y, basis).norm(dim=1)
    y = y / length[:, None, None]
    texts = normalize(torch.randn(TEXTS, WIDTH, generator=random, dtype=torch.float64), dim=-1)
    return torch.einsum("nhr,hdr->nd", y, basis), y, basis, texts


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_ablation_answers_with_the_sum_in_which_one_term_is_its_mean(seed: int) -> None:
    embeddings, y, basis, texts = made_of_heads(seed)
    found = ablated_answers(embeddings, y - y.mean(0), basis, texts, QUESTIONS)
    before = answer_texts(embeddings, texts, QUESTIONS)[0]
    margins = _margins(embeddings, before, texts)
    torch.testing.assert_close(found.margin, margins.mean(0))
    for head in range(HEADS):
        replaced = y.clone()
        replaced[:, head] = y[:, head].mean(0)
        summed = torch.einsum("nhr,hdr->nd", replaced, basis)
        after = answer_texts(summed, texts, QUESTIONS)[0]
        assert torch.equal(found.changed[:, head], after != before)
        lost = margins - _margins(normalize(summed, dim=-1), before, texts)
        torch.testing.assert_close(found.lost[head], lost.mean(0), rtol=0, atol=1e-10)


def _margins(embeddings: Tensor, answers: Tensor, texts: Tensor) -> Tensor:
    """The cosine of a given answer minus the largest of another text, [N, Q], one by one."""
    return torch.tensor(
        [
            [
                float(e @ texts[answer] - max(e @ texts[t] for t in question if t != answer))
                for question, answer in zip(QUESTIONS, row.tolist(), strict=True)
            ]
            for e, row in zip(embeddings, answers, strict=True)
        ],
        dtype=torch.float64,
    )


def test_a_head_of_zeros_and_a_head_that_never_varies_change_no_answer() -> None:
    embeddings, y, basis, texts = made_of_heads(0)
    y[:, 0] = 0
    y[:, 1] = y[0, 1]
    found = ablated_answers(embeddings, y - y.mean(0), basis, texts, QUESTIONS)
    assert not found.changed[:, :2].any()
    assert found.changed[:, 2].any()
    assert found.lost[:2].abs().max() < 1e-12


def test_the_one_head_that_carries_a_question_is_found() -> None:
    """Two heads write along axes of their own, and each question asks about one axis."""
    eye = torch.eye(4)
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    y = signs[:, :, None] * 0.7
    basis = eye[:2, :, None]
    embeddings = torch.einsum("nhr,hdr->nd", y, basis) + 0.1 * eye[2]
    texts = torch.stack([eye[0], -eye[0], eye[1], -eye[1]])
    # Ablation leaves nothing along the axis; a nudge then decides for the first text.
    embeddings = embeddings + torch.tensor([0.01, 0.01, 0, 0])
    found = ablated_answers(embeddings, y, basis, texts, [[0, 1], [2, 3]])
    torch.testing.assert_close(
        found.changed.double().mean(0), torch.tensor([[0.5, 0], [0, 0.5]], dtype=torch.float64)
    )


def test_many_images_are_answered_in_blocks_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = made_of_heads(3)
    whole = ablated_answers(*made, QUESTIONS)
    monkeypatch.setattr("clipheads.maths.answer_ablation.TEXTS_AT_ONCE", 2 * TEXTS)
    blocks = ablated_answers(*made, QUESTIONS)
    assert torch.equal(whole.changed, blocks.changed)
    torch.testing.assert_close(whole.lost, blocks.lost)
    torch.testing.assert_close(whole.margin, blocks.margin)
