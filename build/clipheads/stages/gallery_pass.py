"""The one pass over the gallery: the contributions of every head, and their moments.

The pass is the expensive part of a build, so it is done in shards that can be kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.errors import GalleryError, ModelError
from clipheads.gallery.found import ImageFile
from clipheads.gallery.pictures import in_order, open_image, room_for
from clipheads.maths.decomposition import Decomposition, decompose, decompose_patches, head_basis
from clipheads.maths.moments import (
    Moments,
    TermMoments,
    moments,
    split_terms,
    term_moments,
    term_shares,
)
from clipheads.model.clip_model import ClipModel

PATCH_NUMBERS = 2**25
"""Numbers that one batch of patch contributions may hold: 128 MiB."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What the chosen heads contribute to N images, and what all terms do on average."""

    coordinates: Tensor
    """y of the chosen heads, [N, heads, r]."""
    shares: Tensor
    """<c, f/|f|> of the chosen heads, [N, heads]."""
    embeddings: Tensor
    """f/|f|, [N, D]."""
    moments: Moments
    """Of the coordinates: mean [heads, r], covariance [heads, r, r]."""
    terms: TermMoments
    """Of all terms of the model, those of layers that were not chosen included."""
    reconstruction_error: float
    """Largest |sum of contributions - unit embedding| over images and coordinates."""


def contribute(
    model: ClipModel,
    files: Sequence[ImageFile],
    heads: Sequence[tuple[int, int]],
    *,
    batch_size: int = 32,
    advance: Callable[[int], None] = lambda _steps: None,
) -> Contributions:
    """Decompose the embeddings of images and keep the contributions of `heads`, on the CPU.

    Args:
        model: a model of `load_model`.
        files: images that `open_image` reads; at least one.
        heads: (layer, head) pairs, which become the axis `heads`.
        batch_size: images to hold on the device at once.
        advance: receives the number of images of each batch.

    Raises:
        GalleryError: if a file cannot be read.
        ModelError: if an embedding is not finite.
    """
    basis = head_basis(model)
    rows = basis.transpose(2, 3).flatten(0, 2)
    layer_indices, head_indices = (list(indices) for indices in zip(*heads, strict=True))
    coordinates, shares, embeddings = [], [], []
    terms: TermMoments | None = None
    error = 0.0
    for pixels in batches(model, files, batch_size):
        parts = decompose(model, pixels)
        if not parts.embedding.isfinite().all():
            raise ModelError(f"{model.name}: an embedding is not finite; the weights are damaged")
        total = parts.coordinates.flatten(1) @ rows + parts.mlps.sum(1) + parts.input
        error = max(error, float((total - parts.embedding).abs().max()))
        if model.device.type == "mps":  # which has no float64
            parts, basis = _on_cpu(parts), basis.cpu()
        batch = term_moments(parts, basis)
        terms = batch if terms is None else terms.merge(batch)
        _, per_head, _ = split_terms(term_shares(parts, basis), *basis.shape[:2])
        coordinates.append(parts.coordinates[:, layer_indices, head_indices].cpu())
        shares.append(per_head[:, layer_indices, head_indices].float())
        embeddings.append(parts.embedding.cpu())
        advance(len(pixels))
    if terms is None:
        raise ValueError("contributions need at least one image")
    y = torch.cat(coordinates)
    return Contributions(y, torch.cat(shares), torch.cat(embeddings), moments(y), terms, error)


def patch_contributions(
    model: ClipModel,
    files: Sequence[ImageFile],
    heads: Sequence[tuple[int, int]],
    *,
    batch_size: int = 32,
) -> Iterable[Tensor]:
    """Yield for each image the contributions of all tokens of `heads`, [heads, tokens, r].

    The class token comes first. At most 128 MiB of them are held at once, or one image's.

    Raises:
        GalleryError: if a file cannot be read.
    """
    rows, columns = model.architecture.grid
    numbers = len(heads) * (1 + rows * columns) * (model.architecture.d_head + 3)
    batch_size = max(1, min(batch_size, PATCH_NUMBERS // numbers))
    for pixels in batches(model, files, batch_size):
        yield from decompose_patches(model, pixels, heads).cpu()


def save_contributions(path: Path, found: Contributions) -> None:
    """Write contributions to one file that `load_contributions` reads."""
    save_tensors(
        path,
        {
            "coordinates": found.coordinates,
            "shares": found.shares,
            "embeddings": found.embeddings,
            **statistics(found),
        },
    )


def load_contributions(path: Path) -> Contributions:
    """Read what `save_contributions` wrote."""
    tensors = load_file(path)
    return Contributions(
        tensors["coordinates"],
        tensors["shares"],
        tensors["embeddings"],
        Moments(
            int(tensors["count"]), tensors["mean"], tensors["covariance"] * int(tensors["count"])
        ),
        term_statistics(tensors),
        float(tensors["reconstruction_error"]),
    )


def statistics(found: Contributions) -> dict[str, Tensor]:
    """Return all of it that does not grow with the gallery, as named tensors in float64."""
    return {
        "count": torch.tensor(found.moments.count),
        "mean": found.moments.mean,
        "covariance": found.moments.covariance,
        "embedding_mean": found.terms.embedding,
        "term_means": found.terms.terms,
        "term_shares": found.terms.mean_share,
        "term_scatters": found.terms.scatter,
        "reconstruction_error": torch.tensor(found.reconstruction_error, dtype=torch.float64),
    }


def term_statistics(tensors: dict[str, Tensor]) -> TermMoments:
    """Return the moments of all terms from the named tensors of `statistics`."""
    return TermMoments(
        int(tensors["count"]),
        tensors["embedding_mean"],
        tensors["term_means"],
        tensors["term_shares"],
        tensors["term_scatters"],
    )


def merge(shards: Iterable[Contributions], images: int) -> Contributions:
    """Join the shards of a gallery of `images` images, in order."""
    whole: Contributions | None = None
    begin = 0
    for shard in shards:
        if whole is None:
            # Filled in place: joining a list of shards would hold all of them twice.
            whole = Contributions(
                shard.coordinates.new_empty(images, *shard.coordinates.shape[1:]),
                shard.shares.new_empty(images, *shard.shares.shape[1:]),
                shard.embeddings.new_empty(images, *shard.embeddings.shape[1:]),
                shard.moments,
                shard.terms,
                shard.reconstruction_error,
            )
        else:
            whole = Contributions(
                whole.coordinates,
                whole.shares,
                whole.embeddings,
                whole.moments.merge(shard.moments),
                whole.terms.merge(shard.terms),
                max(whole.reconstruction_error, shard.reconstruction_error),
            )
        end = begin + len(shard.shares)
        whole.coordinates[begin:end] = shard.coordinates
        whole.shares[begin:end] = shard.shares
        whole.embeddings[begin:end] = shard.embeddings
        begin = end
    if whole is None or begin != images:
        raise ValueError(f"shards of {begin} images do not make a gallery of {images}")
    return whole


def batches(model: ClipModel, files: Sequence[ImageFile], size: int) -> Iterable[Tensor]:
    """Yield preprocessed images [at most size, 3, S, S] in order.

    Raises:
        GalleryError: if a file cannot be read.
    """

    def load(file: ImageFile) -> Tensor:
        try:
            with room_for(file):
                return model.preprocess(open_image(file))
        except GalleryError as error:
            raise GalleryError(f"{file}: {error}") from error

    pixels = []
    for index, image in enumerate(in_order(load, files), start=1):
        pixels.append(image)
        if len(pixels) == size or index == len(files):
            yield torch.stack(pixels)
            pixels = []


def _on_cpu(parts: Decomposition) -> Decomposition:
    return Decomposition(
        parts.embedding.cpu(),
        parts.norm.cpu(),
        parts.coordinates.cpu(),
        parts.mlps.cpu(),
        parts.input.cpu(),
    )
