"""What heads write for transformed pictures: one pass over a sample of the gallery a transform."""

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from clipheads.gallery.found import ImageFile
from clipheads.gallery.transforms import Transform
from clipheads.maths.decomposition import decompose
from clipheads.model.clip_model import ClipModel
from clipheads.stages.gallery_pass import batches


def seen_pictures(model: ClipModel, files: Sequence[ImageFile], *, batch_size: int = 32) -> Tensor:
    """Return the squares that the model sees before normalisation, uint8 [N, 3, S, S].

    Preprocessing scales and cuts pictures of 8 bits, so nothing is lost. They are kept because a
    photograph takes longer to open than to pass through a small model.

    Args:
        model: a model of `load_model`.
        files: images that `open_image` reads; at least one.
        batch_size: images to hold in float32 at once.

    Raises:
        GalleryError: if a file cannot be read.
    """
    black, white = _black_and_white(model)
    return torch.cat(
        [
            (255 * (pixels - black) / (white - black)).round().clamp(0, 255).to(torch.uint8)
            for pixels in batches(model, files, batch_size)
        ]
    )


def transformed_coordinates(
    model: ClipModel,
    pictures: Tensor,
    heads: Sequence[tuple[int, int]],
    transform: Transform | None,
    *,
    batch_size: int = 32,
    advance: Callable[[int], None] = lambda _steps: None,
) -> Tensor:
    """Return y of `heads` for transformed pictures, [N, heads, r], on the CPU.

    Args:
        model: a model of `load_model`.
        pictures: what `seen_pictures` returns. The index of a picture is its seed.
        heads: (layer, head) pairs, which become the axis `heads`.
        transform: what is done to the pictures; None leaves them unchanged.
        batch_size: images to hold on the device at once.
        advance: called with the number of images after each batch.
    """
    layers, numbers = (list(indices) for indices in zip(*heads, strict=True))
    black, white = _black_and_white(model)
    coordinates = []
    for first in range(0, len(pictures), batch_size):
        batch = pictures[first : first + batch_size].float() / 255
        if transform is not None:
            batch = torch.stack(
                [transform(picture, first + index) for index, picture in enumerate(batch)]
            )
        parts = decompose(model, batch * (white - black) + black)
        coordinates.append(parts.coordinates[:, layers, numbers].cpu())
        advance(len(batch))
    return torch.cat(coordinates)


def _black_and_white(model: ClipModel) -> tuple[Tensor, Tensor]:
    """Return what the model's normalisation makes of black and of white, each [3, 1, 1].

    Normalisation is affine in each channel, so these two say all about it.
    """
    side = model.architecture.image_size
    black, white = (
        model.preprocess(Image.new("RGB", (side, side), colour))[:, :1, :1]
        for colour in ("black", "white")
    )
    return black, white
