"""Neighbours are exact: what is alike comes first, and ties are settled by index."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from clipheads.maths.neighbours import (
    image_neighbours,
    nearest,
    property_vectors,
    text_neighbours,
    top_k,
)


@given(
    st.lists(
        st.sampled_from([-1.5, -0.0, 0.0, 0.25, 3e-39, -3e-39, 1.0, float("-inf")]),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 10),
)
def test_top_k_is_a_stable_sort(values: list[float], k: int) -> None:
    indices, scores = top_k(torch.tensor(values), k)
    expected = np.argsort(-np.asarray(values, dtype=np.float32), kind="stable")[:k]
    assert indices.tolist() == expected.tolist()
    assert scores.tolist() == torch.tensor(values)[indices].tolist()


def test_identical_images_are_neighbours_with_cosine_one() -> None:
    coordinates = torch.randn(9, 3, 5, generator=torch.Generator().manual_seed(0))
    coordinates[7] = coordinates[2]
    indices, cosines = image_neighbours(coordinates, 4)
    assert (indices.shape, indices.dtype) == ((3, 9, 4), torch.int32)
    assert indices[:, 2, 0].tolist() == [7, 7, 7]
    assert indices[:, 7, 0].tolist() == [2, 2, 2]
    torch.testing.assert_close(cosines[:, 2, 0], torch.ones(3))


def test_an_image_is_never_its_own_neighbour_and_all_others_come_in_order() -> None:
    coordinates = torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(1))
    indices, cosines = image_neighbours(coordinates, 8)
    assert indices.shape == (2, 6, 5)
    for head in range(2):
        for image in range(6):
            assert sorted([*indices[head, image].tolist(), image]) == list(range(6))
    assert (cosines.diff(dim=-1) <= 0).all()


def test_cosines_in_coordinates_are_cosines_of_contributions() -> None:
    generator = torch.Generator().manual_seed(2)
    basis = torch.linalg.qr(torch.randn(16, 5, generator=generator)).Q
    y = torch.randn(7, 5, generator=generator)
    c = y @ basis.T
    direct = normalize(c, dim=-1) @ normalize(c, dim=-1).T
    indices, cosines = nearest(y, 6)
    torch.testing.assert_close(cosines, direct.gather(1, indices))


def test_a_gallery_of_one_has_no_neighbours() -> None:
    indices, cosines = image_neighbours(torch.randn(1, 2, 4))
    assert indices.shape == cosines.shape == (2, 1, 0)


def test_an_image_to_which_a_head_adds_nothing_is_like_no_other() -> None:
    _, cosines = nearest(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 2)
    assert cosines[0].tolist() == [0, 0]


def test_rows_ask_only_for_some() -> None:
    vectors = torch.randn(8, 4, generator=torch.Generator().manual_seed(3))
    all_indices, _ = nearest(vectors, 3)
    indices, _ = nearest(vectors, 3, rows=torch.tensor([5, 0]))
    assert indices.tolist() == all_indices[[5, 0]].tolist()


def test_text_scores_are_cosines_in_the_joint_embedding() -> None:
    generator = torch.Generator().manual_seed(4)
    basis = torch.linalg.qr(torch.randn(16, 5, generator=generator)).Q
    y = torch.randn(6, 5, generator=generator)
    text = normalize(torch.randn(3, 16, generator=generator), dim=-1)
    indices, scores = text_neighbours(y, text @ basis, 6)
    direct = text @ normalize(y @ basis.T, dim=-1).T
    torch.testing.assert_close(scores, direct.gather(1, indices))
    assert (scores.diff(dim=-1) <= 0).all()


def test_a_property_is_the_mean_over_its_heads_in_the_joint_embedding() -> None:
    generator = torch.Generator().manual_seed(5)
    basis = torch.linalg.qr(torch.randn(3, 16, 5, generator=generator)).Q
    y = torch.randn(4, 3, 5, generator=generator)
    contributions = torch.einsum("nhr,hdr->nhd", y, basis)
    torch.testing.assert_close(
        property_vectors(y, basis, [0, 2]), contributions[:, [0, 2]].mean(dim=1)
    )
