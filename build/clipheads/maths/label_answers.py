"""Which images a head finds nearest to each answer of a question: red, blue, … of a colour.

What all answers have in common says nothing about which of them an image shows, and neither does
the mean contribution of a head. So both are subtracted: an answer is d = t - t̄, where t̄ is the
mean over the answers of the question, and an image is c - c̄. Then ⟨c, d⟩ is the head's direct
contribution to the zero-shot score of the answer, relative to the mean score of all answers.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.maths.neighbours import top_k


def answer_differences(texts: Tensor, groups: list[list[int]]) -> Tensor:
    """The difference d of each answer from the mean of all.

    Args:
        texts: [n, D] unit text embeddings.
        groups: for each of the a answers its rows of `texts`, whose normalised mean stands for it.

    Returns:
        [a, D], which sum to zero. A single answer has nothing to be compared with: d is its text.
    """
    answers = normalize(torch.stack([texts[rows].mean(dim=0) for rows in groups]), dim=-1)
    return answers - answers.mean(dim=0) if len(groups) > 1 else answers


def answer_shares(differences: Tensor, covariance: Tensor) -> Tensor:
    """Share of each answer in what a head varies of the scores of all answers.

    That is dᵀΣd, the variance of ⟨c, d⟩ over the gallery, divided by its sum over the answers.

    Args:
        differences: [a, r], Bᵀd.
        covariance: Σ of the head's coordinates over the gallery, [r, r].

    Returns:
        [a], which sum to 1; zeros for a head that varies no score.
    """
    own = covariance.to(differences.dtype)
    along = torch.einsum("ar,rs,as->a", differences, own, differences)
    total = along.sum()
    return along / total if total > 0 else torch.zeros_like(along)


def answer_images(
    coordinates: Tensor, differences: Tensor, lengths: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The images nearest to each answer, by the cosine of c - c̄ and d in the joint embedding.

    Args:
        coordinates: [N, r], of all images in one head.
        differences: [a, r], Bᵀd.
        lengths: [a], |d|; where it is zero, so is the cosine.
        k: number of images.

    Returns:
        indices [a, k'] and cosines [a, k'], k' = min(k, N).
    """
    centred = coordinates.float() - coordinates.float().mean(dim=0)
    units = differences / lengths.clamp_min(1e-12).unsqueeze(-1)
    return top_k(units @ normalize(centred, dim=-1).T, k)
