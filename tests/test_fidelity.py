"""The error of an export is the largest error of a cosine, and counts the changed answers."""

import pytest
import torch
from torch.nn.functional import normalize

from clipheads.browser.fidelity import compare_answers, text_queries, unit_queries


def _coordinates(images: int = 30) -> torch.Tensor:
    return torch.randn(images, 4, 6, generator=torch.Generator().manual_seed(0))


def test_the_same_answers_have_no_error() -> None:
    both = unit_queries(_coordinates(5)), _coordinates()
    fidelity = compare_answers("fp32", exact=both, exported=both)
    assert (fidelity.cosine_error, fidelity.same_top_8, fidelity.measured_on) == (0, 1, 20)


def test_the_error_is_that_of_the_worst_cosine() -> None:
    gallery, queries = _coordinates(), unit_queries(_coordinates(5))
    other = queries.clone()
    # Towards one image of one head, whose cosine alone gains all of it.
    other[3, 2] += 0.01 * normalize(gallery[7, 2], dim=0)
    fidelity = compare_answers("int8", exact=(queries, gallery), exported=(other, gallery))
    # Written with two digits, the second rounded upwards.
    assert 0.01 <= fidelity.cosine_error <= 0.0111
    assert fidelity.storage == "int8"


def test_the_distance_from_torch_is_one_less_the_cosine_of_the_worst_query() -> None:
    gallery, queries = _coordinates(), unit_queries(_coordinates(5))
    other = queries.clone()
    other[3, 2] = 7 * normalize(queries[3, 2] + 0.1 * gallery[7, 2], dim=0)
    fidelity = compare_answers("int8", exact=(queries, gallery), exported=(other, gallery))
    cosine = torch.nn.functional.cosine_similarity(queries[3, 2], other[3, 2], dim=0)
    assert fidelity.vector_error == pytest.approx(float(1 - cosine), rel=0.1)


def test_a_query_whose_eight_nearest_changed_is_counted() -> None:
    gallery, queries = _coordinates(), unit_queries(_coordinates(5))
    other = queries.clone()
    other[1, 3] *= -1
    fidelity = compare_answers("fp16", exact=(queries, gallery), exported=(other, gallery))
    assert fidelity.same_top_8 == 19 / 20


def test_lengths_of_the_gallery_do_not_matter_and_the_order_of_the_eight_neither() -> None:
    gallery, queries = _coordinates(8), unit_queries(_coordinates(3))
    fidelity = compare_answers("fp32", exact=(queries, gallery), exported=(-queries, gallery * 3))
    assert fidelity.same_top_8 == 1


def test_queries_of_texts_are_their_projections_on_the_bases() -> None:
    basis = torch.linalg.qr(_coordinates()[:3].repeat(1, 3, 1)).Q
    texts = normalize(torch.randn(2, 12, generator=torch.Generator().manual_seed(1)), dim=-1)
    queries = text_queries(texts, basis)
    torch.testing.assert_close(queries[1, 2], basis[2].mT @ texts[1])
