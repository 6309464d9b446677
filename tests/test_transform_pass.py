"""Transformed pictures pass through the model as the gallery does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import tiny_model
from PIL import Image
from torch import Tensor

from clipheads.gallery.transforms import invert, mirror
from clipheads.maths.decomposition import decompose
from clipheads.model.clip_model import ClipModel
from clipheads.stages.gallery_pass import batches
from clipheads.stages.transform_pass import seen_pictures, transformed_coordinates

HEADS = [(0, 1), (2, 0)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ClipModel:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five pictures of the model's own size, so that its preprocessing only normalises."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(5)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    return paths


def test_what_the_model_sees_is_the_picture_itself(model: ClipModel, files: list[Path]) -> None:
    shown = torch.stack([torch.from_numpy(np.array(Image.open(path))) for path in files])
    assert torch.equal(seen_pictures(model, files, batch_size=2), shown.permute(0, 3, 1, 2))


def test_no_transform_gives_the_coordinates_of_the_gallery(
    model: ClipModel, files: list[Path]
) -> None:
    (pixels,) = batches(model, files, 5)
    expected = decompose(model, pixels).coordinates[:, [0, 2], [1, 0]]
    found = transformed_coordinates(
        model, seen_pictures(model, files, batch_size=3), HEADS, None, batch_size=2
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("transform", [mirror, invert])
def test_a_transform_does_what_the_transformed_file_would(
    model: ClipModel, files: list[Path], tmp_path: Path, transform: object
) -> None:
    assert callable(transform)
    changed = []
    for path in files:
        pixels = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255
        result = (255 * transform(pixels, 0)).round().to(torch.uint8).permute(1, 2, 0)
        changed.append(tmp_path / path.name)
        Image.fromarray(result.numpy()).save(changed[-1])
    torch.testing.assert_close(
        transformed_coordinates(model, seen_pictures(model, files), HEADS, transform),
        transformed_coordinates(model, seen_pictures(model, changed), HEADS, None),
        atol=1e-5,
        rtol=1e-4,
    )


def test_the_seed_of_a_picture_is_its_place_whatever_the_batches(
    model: ClipModel, files: list[Path]
) -> None:
    pictures = seen_pictures(model, files)
    steps: list[int] = []
    for size in (1, 2, 5):
        seeds: list[int] = []

        def keep(picture: Tensor, seed: int, seeds: list[int] = seeds) -> Tensor:
            seeds.append(seed)
            return picture

        transformed_coordinates(model, pictures, HEADS, keep, batch_size=size, advance=steps.append)
        assert seeds == [0, 1, 2, 3, 4]
    assert sum(steps) == 15
