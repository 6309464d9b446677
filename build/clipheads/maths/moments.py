"""Means and covariances of contributions, accumulated in float64 over shards of a gallery.

Shards merge by the formula of Chan, Golub and LeVeque (1983), so that batches, interrupted builds
and several machines all give the same moments up to rounding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from clipheads.maths.decomposition import Decomposition


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and scatter of vectors, for each of any number of leading axes (heads)."""

    count: int
    mean: Tensor
    """[..., r], float64."""
    scatter: Tensor
    """Sum of outer products of deviations from the mean, [..., r, r], float64."""

    @property
    def covariance(self) -> Tensor:
        """Σ, [..., r, r]: the scatter divided by the count."""
        return self.scatter / self.count

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both shards together (Chan's parallel algorithm)."""
        count = self.count + other.count
        step = other.mean - self.mean
        between = (self.count * other.count / count) * step[..., :, None] * step[..., None, :]
        return Moments(
            count,
            self.mean + step * (other.count / count),
            self.scatter + other.scatter + between,
        )


def moments(samples: Tensor) -> Moments:
    """Return the moments of samples [N, ..., r] over their first axis, on the CPU.

    >>> samples = torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 6.0]])
    >>> moments(samples).mean.tolist()
    [3.0, 2.0]
    >>> merged = moments(samples[:1]).merge(moments(samples[1:]))
    >>> torch.equal(merged.covariance, moments(samples).covariance)
    True
    """
    values = samples.detach().to("cpu", torch.float64)
    mean = values.mean(0)
    deviations = (values - mean).movedim(0, -2)  # [..., N, r]
    return Moments(len(values), mean, deviations.transpose(-1, -2) @ deviations)


@dataclass(frozen=True, eq=False)
class TermMoments:
    """The share of each contribution in the unit embedding and in its variance.

    Terms are in the order of `term_shares`: the input, the heads layer by layer, the MLPs.
    """

    count: int
    embedding: Tensor
    """Mean of f / ‖f‖, [D], float64."""
    terms: Tensor
    """Mean contribution of every term, [terms, D], float64."""
    mean_share: Tensor
    """Mean of ⟨c, f / ‖f‖⟩ of every term, [terms], float64; they sum to 1."""
    scatter: Tensor
    """Sum of ⟨c − mean c, f / ‖f‖ − mean⟩ of every term, [terms], float64."""

    @property
    def variance_share(self) -> Tensor:
        """Return tr Cov(c, f / ‖f‖) / tr Var(f / ‖f‖) of every term, [terms]; they sum to 1.

        All zero where the embeddings do not vary, as with a single image.
        """
        total = self.scatter.sum()
        return self.scatter / total if total > 0 else torch.zeros_like(self.scatter)

    def merge(self, other: "TermMoments") -> "TermMoments":
        """Return the moments of both shards together (Chan's parallel algorithm)."""
        count = self.count + other.count
        part = other.count / count
        terms, embedding = other.terms - self.terms, other.embedding - self.embedding
        return TermMoments(
            count,
            self.embedding + part * embedding,
            self.terms + part * terms,
            self.mean_share + part * (other.mean_share - self.mean_share),
            self.scatter + other.scatter + self.count * part * (terms @ embedding),
        )


def term_moments(decomposition: Decomposition, basis: Tensor) -> TermMoments:
    """Return the moments of one batch, from the basis [L, H, D, r] of `head_basis`."""
    embedding, coordinates, mlps, inputs = (
        tensor.cpu().double().mean(0)
        for tensor in (
            decomposition.embedding,
            decomposition.coordinates,
            decomposition.mlps,
            decomposition.input,
        )
    )
    heads = torch.einsum("lhr,lhdr->lhd", coordinates.to(basis), basis).cpu().double()
    deviations = decomposition.embedding - embedding.to(decomposition.embedding)
    return TermMoments(
        count=len(decomposition.embedding),
        embedding=embedding,
        terms=torch.cat([inputs[None], heads.flatten(0, 1), mlps]),
        mean_share=term_shares(decomposition, basis).mean(0),
        scatter=_inner_products(decomposition, basis, deviations).sum(0),
    )


def term_shares(decomposition: Decomposition, basis: Tensor) -> Tensor:
    """Return ⟨c, f / ‖f‖⟩ of every term and image, [B, 1 + L·H + L], float64; rows sum to 1.

    The order is: the input, the heads layer by layer, the MLPs. See `split_terms`.
    """
    return _inner_products(decomposition, basis, decomposition.embedding)


def split_terms(values: Tensor, layers: int, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split the last axis of terms into input [...], heads [..., L, H] and MLPs [..., L]."""
    inputs, per_head, mlps = torch.split(values, [1, layers * heads, layers], dim=-1)
    return inputs[..., 0], torch.unflatten(per_head, -1, (layers, heads)), mlps


def _inner_products(parts: Decomposition, basis: Tensor, directions: Tensor) -> Tensor:
    """Return ⟨c, direction⟩ of every term, [B, terms] in float64; each image has a direction."""
    queries = torch.einsum("bd,lhdr->blhr", directions, basis).cpu().double()
    directions = directions.cpu().double()
    products = (
        (parts.input.cpu() * directions).sum(-1, keepdim=True),
        (parts.coordinates.cpu() * queries).sum(-1).flatten(1),
        (parts.mlps.cpu() * directions[:, None]).sum(-1),
    )
    return torch.cat(products, dim=1)
