"""A zero-shot answer is the text of a question that is most similar to the image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipheads.maths import zero_shot
from clipheads.maths.zero_shot import clearest_answers

RED, BLUE, CAT, DOG = torch.eye(4)


def test_each_question_is_answered_once_and_the_clearest_answer_comes_first():
    image = torch.tensor([[0.6, 0.2, 0.1, 0.77]])  # red, but a dog before all
    answers, cosines = clearest_answers(
        image, torch.stack([RED, BLUE, CAT, DOG]), [[0, 1], [2, 3]], 2
    )
    assert answers.tolist() == [[3, 0]]
    assert cosines.flatten().tolist() == pytest.approx([0.77, 0.6])


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 99))
def test_answers_are_those_of_one_image_at_a_time(images: int, count: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(images, 5, generator=generator)
    texts = torch.randn(9, 5, generator=generator)
    groups = [[0, 4, 8], [1], [2, 3], [5, 6, 7]]
    before, zero_shot.BLOCK = zero_shot.BLOCK, 7
    try:
        answers, cosines = clearest_answers(embeddings, texts, groups, count)
    finally:
        zero_shot.BLOCK = before
    for row, image in enumerate(embeddings):
        best = [max(group, key=lambda text: float(image @ texts[text])) for group in groups]
        best.sort(key=lambda text: -float(image @ texts[text]))
        assert answers[row].tolist() == best[:count]
        assert cosines[row].tolist() == pytest.approx(
            [float(image @ texts[text]) for text in best[:count]], abs=1e-5
        )
