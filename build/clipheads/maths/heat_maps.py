"""Heat maps over the patches: where in an image a head finds a text (zero-shot segmentation).

A patch token n adds c[l,h,n] to the contribution of head (l, h), and with a text t the
inner product ⟨c[l,h,n], t⟩ = ⟨y[n], Bᵀt⟩. Maps are given as *tokens × ⟨c[n], t⟩*: what the
head would contribute along t if every token gave as much as this one. The mean over all
tokens, class token included, is ⟨c[l,h], t⟩ itself, and half precision suffices.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TopicRequest:
    """A map of one text in one head over one image, all given by their indices."""

    image: int
    head: int
    text: int


@dataclass(frozen=True)
class ContrastRequest:
    """A map of one text minus another, summed over all heads, over one image."""

    image: int
    first: int
    second: int


def topic_map(tokens: Tensor, query: Tensor, grid: tuple[int, int]) -> Tensor:
    """Topic segmentation of one head: one text over the patches of an image.

    Args:
        tokens: [..., 1 + rows·columns, r], coordinates of the tokens' contributions, class
            token first.
        query: [..., r], Bᵀt of a unit text t.
        grid: rows and columns of patches.

    Returns:
        [..., rows, columns]
    """
    scores = (tokens @ query.unsqueeze(-1)).squeeze(-1) * tokens.shape[-2]
    return scores[..., 1:].reshape(*scores.shape[:-1], *grid)


def contrast_map(tokens: Tensor, first: Tensor, second: Tensor, grid: tuple[int, int]) -> Tensor:
    """Contrastive segmentation: first text minus second, summed over the heads.

    Args:
        tokens: [heads, 1 + rows·columns, r], coordinates in each head's basis.
        first: [heads, r], Bᵀt of the first text in each head.
        second: [heads, r], of the second.
        grid: rows and columns of patches.

    Returns:
        [rows, columns]
    """
    return topic_map(tokens, first - second, grid).sum(dim=0)


def draw_maps(
    topics: Sequence[TopicRequest],
    contrasts: Sequence[ContrastRequest],
    *,
    texts: Tensor,
    basis: Tensor,
    grid: tuple[int, int],
    patches: Callable[[Sequence[int]], Iterable[tuple[int, Tensor]]],
) -> Tensor:
    """Draw all maps in one pass over the images that any of them needs.

    Args:
        topics: requests whose maps come first, in this order.
        contrasts: requests whose maps follow, in this order.
        texts: [n, D] unit text embeddings, to which the requests' indices refer.
        basis: [heads, D, r]; its heads are those to which the indices refer.
        grid: rows and columns of patches.
        patches: given indices of images, yields each with its [heads, 1 + rows·columns, r].

    Returns:
        [topics + contrasts, rows, columns] float16.
    """
    maps = torch.zeros(len(topics) + len(contrasts), *grid, dtype=torch.float16)
    pairs = {(request.head, request.text) for request in topics}
    # One row for each text in each head, not for each request: few texts, many images.
    row_of = {pair: row for row, pair in enumerate(sorted(pairs))}
    queries = torch.empty(len(row_of), basis.shape[2])
    for head in {head for head, _ in pairs}:
        own = [(text, row) for (other, text), row in row_of.items() if other == head]
        queries[[row for _, row in own]] = texts[[text for text, _ in own]] @ basis[head]
    sides = {
        text: torch.einsum("hdr,d->hr", basis, texts[text])
        for request in contrasts
        for text in (request.first, request.second)
    }

    wanted: dict[int, list[int]] = {}
    images = [request.image for request in topics] + [request.image for request in contrasts]
    for index, image in enumerate(images):
        wanted.setdefault(image, []).append(index)
    for image, tokens in patches(sorted(wanted)):
        own_topics = [index for index in wanted[image] if index < len(topics)]
        if own_topics:
            heads = [topics[index].head for index in own_topics]
            rows = [row_of[topics[index].head, topics[index].text] for index in own_topics]
            maps[own_topics] = topic_map(tokens[heads], queries[rows], grid).half()
        for index in wanted[image]:
            if index >= len(topics):
                request = contrasts[index - len(topics)]
                first, second = sides[request.first], sides[request.second]
                maps[index] = contrast_map(tokens, first, second, grid).half()
    return maps
