"""Replacing contributions loses what they carry, and nothing else."""

import pytest
import torch

from clipheads.truth.faithfulness import (
    HeadOutputs,
    ZeroShotQuestion,
    accuracy,
    accuracy_by_ablation,
    accuracy_by_descriptions,
    importance,
    majority_baseline,
    span_basis,
)

D, R, IMAGES, VALUES = 12, 4, 200, 4


def planted() -> tuple[HeadOutputs, ZeroShotQuestion]:
    """Two heads: the first writes which of four texts is true, the second writes noise."""
    rng = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(D, D, generator=rng)).Q
    basis = torch.stack([rotation[:, :R], rotation[:, R : 2 * R]])
    texts = basis[0].T
    answers = torch.randint(VALUES, (IMAGES,), generator=rng)
    coordinates = torch.randn(IMAGES, 2, R, generator=rng) * 0.1
    coordinates[torch.arange(IMAGES), 0, answers] += 1.0
    right = torch.nn.functional.one_hot(answers, VALUES).bool()
    return HeadOutputs(coordinates, basis, torch.zeros(D)), ZeroShotQuestion(texts, right)


def test_an_image_without_a_right_answer_does_not_count() -> None:
    _, question = planted()
    right = question.right.clone()
    right[50:] = False

    wrong_after_50 = question.texts[question.right.int().argmax(dim=1)].clone()
    wrong_after_50[50:] *= -1

    assert accuracy(wrong_after_50, ZeroShotQuestion(question.texts, right)) == 1.0
    assert accuracy(wrong_after_50, question) < 1.0


def test_the_span_of_all_four_texts_loses_nothing_and_of_one_only_its_own_answer_is_left() -> None:
    heads, question = planted()
    texts = question.texts @ heads.basis[0]
    whole = [
        accuracy_by_descriptions(
            heads,
            [span_basis(texts, range(4), k), torch.zeros(R, 0)],
            [question],
        )[0]
        for k in (1, 2, 3, 4)
    ]

    assert whole[3] == 1.0
    assert whole[0] < whole[1] < whole[2]


def test_a_span_of_dependent_texts_has_their_rank_and_is_orthonormal() -> None:
    texts = torch.tensor([[1.0, 0, 0], [2.0, 0, 0], [0, 3.0, 0]])
    span = span_basis(texts, [0, 1, 2], 3)

    assert span.shape == (3, 2)
    assert torch.allclose(span.T @ span, torch.eye(2), atol=1e-6)
    assert span_basis(texts, [0, 1, 2], 2).shape == (3, 1)


def test_the_head_that_knows_matters_and_the_head_that_does_not_does_not() -> None:
    heads, question = planted()
    weights = importance(heads, [question])

    assert weights[0] > 0.5
    assert weights[1] == pytest.approx(0, abs=0.01)


def test_ablating_the_least_important_first_keeps_the_accuracy_to_the_last() -> None:
    heads, question = planted()

    assert accuracy_by_ablation(heads, [1, 0], [question])[0][:2] == [1.0, 1.0]
    (after_the_knowing,) = accuracy_by_ablation(heads, [0, 1], [question])
    assert after_the_knowing[1] < 0.5
    # Nothing is left to tell the images apart: all are given the same answer.
    assert after_the_knowing[2] == pytest.approx(
        float(question.right.double().mean(dim=0).max()), abs=0.1
    )


def test_the_majority_baseline_counts_only_images_to_which_the_question_applies() -> None:
    right = torch.tensor(
        [[True, False], [True, True], [False, True], [True, False], [False, False]]
    )

    assert majority_baseline(ZeroShotQuestion(torch.eye(2), right)) == 0.75
