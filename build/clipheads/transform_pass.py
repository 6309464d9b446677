"""What heads write for transformed pictures: one pass over a sample of the gallery a transform."""

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from clipheads.decomposition import decompose
from clipheads.gallery_files import ImageFile
from clipheads.gallery_pass import batches
from clipheads.models import ClipModel
from clipheads.transforms import Transform


def transformed_coordinates(
    model: ClipModel,
    files: Sequence[ImageFile],
    heads: Sequence[tuple[int, int]],
    transform: Transform | None,
    *,
    batch_size: int = 32,
    advance: Callable[[int], None] = lambda _steps: None,
) -> Tensor:
    """Return y of `heads` for transformed pictures, [N, heads, r], on the CPU.

    Args:
        model: a model of `load_model`.
        files: images that `open_image` reads; at least one. The place of an image is its seed.
        heads: (layer, head) pairs, which become the axis `heads`.
        transform: applied to what the model sees, before normalisation; None leaves it as it is.
        batch_size: images to hold on the device at once.
        advance: called with the number of images after each batch.

    Raises:
        GalleryError: if a file cannot be read.
    """
    layers, numbers = (list(places) for places in zip(*heads, strict=True))
    black, white = (_pixel(model, colour) for colour in ("black", "white"))
    coordinates: list[Tensor] = []
    seed = 0
    for pixels in batches(model, files, batch_size):
        pictures = ((pixels - black) / (white - black)).clamp(0, 1)
        if transform is not None:
            pictures = torch.stack(
                [transform(picture, seed + place) for place, picture in enumerate(pictures)]
            )
        seed += len(pixels)
        parts = decompose(model, pictures * (white - black) + black)
        coordinates.append(parts.coordinates[:, layers, numbers].cpu())
        advance(len(pixels))
    return torch.cat(coordinates)


def _pixel(model: ClipModel, colour: str) -> Tensor:
    """Return what the model's normalisation makes of a colour, [3, 1, 1].

    Normalisation is affine in each channel, so black and white say all about it.
    """
    side = model.architecture.image_size
    return model.preprocess(Image.new("RGB", (side, side), colour))[:, :1, :1]
