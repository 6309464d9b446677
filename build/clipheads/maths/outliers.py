"""Outlier tokens: patches that the model uses as registers, and what heads read from them.

Large vision transformers turn some patches of little content into registers of global information:
their residual stream is far longer than that of the others (Darcet et al., 2024). A head that reads
there shows nothing of the patch that lies there, so maps mislead. A patch counts as an outlier if
the length of its stream is more than `TIMES` the median of the patches of its image, and more than
`DEVIATIONS` standard deviations above it, as the median absolute deviation estimates them.
"""

import torch
from torch import Tensor

TIMES = 2.0
DEVIATIONS = 6.0
NORMAL = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""


def outlier_patches(lengths: Tensor) -> Tensor:
    """Find the outliers among the lengths [..., patches] of the streams of an image's patches.

    >>> outlier_patches(torch.tensor([10.0, 11, 9, 10, 80])).tolist()
    [False, False, False, False, True]
    """
    median = lengths.median(-1, keepdim=True).values
    deviation = NORMAL * (lengths - median).abs().median(-1, keepdim=True).values
    return (lengths > TIMES * median) & (lengths > median + DEVIATIONS * deviation)


def read_from(parts: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return what heads read from chosen tokens and from all, whose quotient is a share.

    Args:
        parts: ⟨c[n], c⟩ of every token n of every image in every head, [B, heads, tokens], where c
            is what the head writes of all tokens.
        tokens: the chosen ones, [B, tokens].

    Returns:
        Sums over images and tokens, [heads] each.
    """
    return torch.where(tokens[:, None], parts, 0).sum((0, 2)), parts.sum((0, 2))
