"""Heat maps add up to the head's contribution, and contrasts are antisymmetric."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.maths.heat_maps import (
    ContrastRequest,
    TopicRequest,
    contrast_map,
    draw_maps,
    topic_map,
)

GRID = (2, 3)
HEADS, TOKENS, RANK, DIMENSION = 4, 7, 5, 16


def _planted() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(HEADS, DIMENSION, RANK, generator=generator)).Q
    tokens = torch.randn(6, HEADS, TOKENS, RANK, generator=generator) / TOKENS
    texts = normalize(torch.randn(3, DIMENSION, generator=generator), dim=-1)
    return basis, tokens, texts


def test_the_mean_over_all_tokens_is_what_the_head_contributes_along_the_text() -> None:
    basis, tokens, texts = _planted()
    head = tokens[0, 1]
    query = texts[0] @ basis[1]
    class_token = TOKENS * head[0] @ query
    contribution = (head.sum(dim=0) @ basis[1].T) @ texts[0]
    maps = topic_map(head, query, GRID)
    assert maps.shape == GRID
    torch.testing.assert_close((maps.sum() + class_token) / TOKENS, contribution)


def test_a_token_that_holds_the_text_lights_up_alone_and_in_its_place() -> None:
    basis, _, texts = _planted()
    query = texts[0] @ basis[0]
    tokens = torch.zeros(TOKENS, RANK)
    tokens[1 + 4] = query
    expected = torch.zeros(GRID)
    expected[1, 1] = TOKENS * query @ query
    torch.testing.assert_close(topic_map(tokens, query, GRID), expected)


def test_contrasts_are_antisymmetric_and_the_difference_of_topics() -> None:
    basis, tokens, texts = _planted()
    first, second = (torch.einsum("hdr,d->hr", basis, text) for text in texts[:2])
    contrast = contrast_map(tokens[0], first, second, GRID)
    torch.testing.assert_close(contrast, -contrast_map(tokens[0], second, first, GRID))
    topics = topic_map(tokens[0], first, GRID) - topic_map(tokens[0], second, GRID)
    torch.testing.assert_close(contrast, topics.sum(dim=0))


def test_all_maps_come_from_one_pass_over_the_images_that_are_needed() -> None:
    basis, tokens, texts = _planted()
    topics = [
        TopicRequest(image=5, head=3, text=2),
        TopicRequest(image=0, head=1, text=0),
        TopicRequest(image=5, head=0, text=0),
    ]
    contrasts = [ContrastRequest(image=5, first=1, second=2)]
    requested: list[int] = []

    def patches(images: Sequence[int]) -> Iterable[tuple[int, Tensor]]:
        for image in images:
            requested.append(image)
            yield image, tokens[image]

    maps = draw_maps(topics, contrasts, texts=texts, basis=basis, grid=GRID, patches=patches)
    assert requested == [0, 5]
    assert (maps.shape, maps.dtype) == ((4, *GRID), torch.float16)
    for drawn, request in zip(maps, topics, strict=False):
        query = texts[request.text] @ basis[request.head]
        expected = topic_map(tokens[request.image, request.head], query, GRID)
        torch.testing.assert_close(drawn.float(), expected, atol=1e-3, rtol=1e-3)
    first, second = (torch.einsum("hdr,d->hr", basis, texts[index]) for index in (1, 2))
    torch.testing.assert_close(
        maps[3].float(), contrast_map(tokens[5], first, second, GRID), atol=1e-3, rtol=1e-3
    )


def test_nothing_asked_gives_no_map() -> None:
    basis, _, texts = _planted()
    maps = draw_maps([], [], texts=texts, basis=basis, grid=GRID, patches=lambda _images: [])
    assert maps.shape == (0, *GRID)
