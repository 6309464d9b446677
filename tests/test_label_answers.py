"""The answers of a label: which they are, and which images of a head are nearest to each."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from clipheads.bundle.answers import MOST_TEXTS
from clipheads.labels.answers import answers_of
from clipheads.labels.property_pool import PropertyPool
from clipheads.maths.label_answers import answer_differences, answer_images, answer_shares


def pool_of(rows: list[tuple[str, str]], parents: dict[str, str]) -> tuple[list[str], PropertyPool]:
    return [text for text, _ in rows], PropertyPool([name for _, name in rows], parents)


def test_the_answers_of_a_property_are_its_texts_and_those_of_its_parts() -> None:
    texts, pool = pool_of(
        [("red", "colour"), ("a dog", "mammal"), ("a robin", "bird"), ("blue", "colour")],
        {"mammal": "animal", "bird": "animal"},
    )

    assert [(one.text, one.rows) for one in answers_of("Colours", texts, pool)] == [
        ("red", [0]),
        ("blue", [3]),
    ]
    assert [one.text for one in answers_of("animal", texts, pool)] == ["a dog", "a robin"]
    assert answers_of("weather", texts, pool) == []


def test_a_property_of_very_many_texts_is_answered_by_its_narrowest_parts() -> None:
    rows = [(f"mammal {row}", "Mammals") for row in range(MOST_TEXTS)] + [("a robin", "bird")]
    parents = {"mammal": "animal", "bird": "animal"}
    texts, pool = pool_of(rows, parents)
    mammals, birds = answers_of("animal", texts, pool)

    assert (mammals.text, mammals.rows) == ("Mammals", list(range(MOST_TEXTS)))
    assert (birds.text, birds.rows) == ("bird", [MOST_TEXTS])
    # Without parts there is nothing but its texts.
    assert len(answers_of("mammal", *pool_of([*rows, ("one more", "mammal")], parents))) == 65


@given(st.integers(2, 6), st.integers(0, 100))
def test_nearest_images_are_those_of_brute_force_in_the_joint_embedding(
    answers: int, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(12, 5, generator=draw))[0]
    coordinates = torch.randn(30, 5, generator=draw)
    texts = normalize(torch.randn(2 * answers, 12, generator=draw), dim=-1)
    groups = [[2 * row, 2 * row + 1] for row in range(answers)]

    differences = answer_differences(texts, groups)
    found, cosines = answer_images(coordinates, differences @ basis, differences.norm(dim=-1), k=4)

    contributions = coordinates @ basis.T
    centred = contributions - contributions.mean(dim=0)
    means = normalize(torch.stack([texts[rows].mean(0) for rows in groups]), dim=-1)
    for row in range(answers):
        d = means[row] - means.mean(dim=0)
        expected = torch.nn.functional.cosine_similarity(centred, d.expand_as(centred), dim=-1)
        best = expected.sort(descending=True, stable=True).values[:4]
        assert torch.allclose(cosines[row], best, atol=1e-5)
        assert torch.allclose(expected[found[row]], best, atol=1e-5)


def test_what_answers_have_in_common_does_not_matter() -> None:
    draw = torch.Generator().manual_seed(1)
    texts = normalize(torch.randn(4, 8, generator=draw), dim=-1)
    groups = [[row] for row in range(4)]

    assert torch.allclose(answer_differences(texts, groups).sum(dim=0), torch.zeros(8), atol=1e-6)
    assert torch.equal(answer_differences(texts, [[2]]), normalize(texts[[2]], dim=-1))


def test_shares_are_of_the_variance_of_scores_over_the_gallery() -> None:
    draw = torch.Generator().manual_seed(2)
    coordinates = torch.randn(50, 6, generator=draw).double()
    differences = torch.randn(3, 6, generator=draw).double()
    variances = (coordinates @ differences.T).var(dim=0)

    shares = answer_shares(differences, coordinates.T.cov())
    assert torch.allclose(shares, variances / variances.sum())
    assert answer_shares(differences, torch.zeros(6, 6)).tolist() == [0, 0, 0]


def test_a_head_that_separates_one_answer_has_its_share_and_its_images() -> None:
    """Planted: contributions point to red or blue, and never vary towards green."""
    red, blue, _green = torch.eye(3)
    coordinates = torch.stack([red, blue, red, blue, blue])
    differences = answer_differences(torch.eye(3), [[0], [1], [2]])
    shares = answer_shares(differences, coordinates.T.cov())
    found, _ = answer_images(coordinates, differences, differences.norm(dim=-1), k=2)

    assert torch.allclose(shares, torch.tensor([0.5, 0.5, 0.0]), atol=1e-6)
    assert sorted(found[0].tolist()) == [0, 2]
    assert set(found[1].tolist()) <= {1, 3, 4}
