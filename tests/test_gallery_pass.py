"""One pass gives every head's contribution, whatever the shards, and its moments."""

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import tiny_model
from PIL import Image

from clipheads.bundle.errors import GalleryError, ModelError
from clipheads.gallery.pictures import open_image
from clipheads.maths.decomposition import decompose, head_basis
from clipheads.model.clip_model import ClipModel
from clipheads.stages.gallery_pass import (
    Contributions,
    contribute,
    load_contributions,
    merge,
    patch_contributions,
    save_contributions,
)

HEADS = [(1, 0), (1, 1), (2, 0), (2, 1)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ClipModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    paths = [folder / f"{index}.png" for index in range(7)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(path)
    return paths


def test_the_chosen_heads_are_those_of_the_decomposition(
    model: ClipModel, files: list[Path]
) -> None:
    found = contribute(model, files, HEADS, batch_size=3)
    pixels = torch.stack([model.preprocess(open_image(file)) for file in files])
    parts = decompose(model, pixels)
    basis = head_basis(model)
    torch.testing.assert_close(found.embeddings, parts.embedding, atol=1e-5, rtol=1e-4)
    for place, (layer, head) in enumerate(HEADS):
        y = parts.coordinates[:, layer, head]
        torch.testing.assert_close(found.coordinates[:, place], y, atol=1e-5, rtol=1e-4)
        share = ((y @ basis[layer, head].T) * parts.embedding).sum(1)
        torch.testing.assert_close(found.shares[:, place], share, atol=1e-5, rtol=1e-4)
    assert found.reconstruction_error < 1e-5
    covariance = np.cov(found.coordinates[:, 0].double().numpy().T, bias=True)
    np.testing.assert_allclose(found.moments.covariance[0].numpy(), covariance, atol=1e-12)


def test_terms_are_those_of_the_whole_model_and_sum_to_one(
    model: ClipModel, files: list[Path]
) -> None:
    terms = contribute(model, files, HEADS[:1]).terms
    assert len(terms.mean_share) == 1 + 3 * 2 + 3
    assert float(terms.mean_share.sum()) == pytest.approx(1, abs=1e-5)
    assert float(terms.variance_share.sum()) == pytest.approx(1, abs=1e-5)


def test_shards_join_to_the_same_as_one_pass(
    model: ClipModel, files: list[Path], tmp_path: Path
) -> None:
    whole = contribute(model, files, HEADS)
    shards = []
    for index, part in enumerate((files[:4], files[4:])):
        path = tmp_path / f"{index}.safetensors"
        save_contributions(path, contribute(model, part, HEADS, batch_size=2))
        shards.append(load_contributions(path))
    joined = merge(iter(shards), len(files))
    for name in ("coordinates", "shares", "embeddings"):
        torch.testing.assert_close(getattr(joined, name), getattr(whole, name))
    torch.testing.assert_close(
        joined.moments.covariance, whole.moments.covariance, atol=1e-8, rtol=1e-5
    )
    torch.testing.assert_close(
        joined.terms.variance_share, whole.terms.variance_share, atol=1e-6, rtol=1e-4
    )
    with pytest.raises(ValueError, match="7 images do not make a gallery of 8"):
        merge(iter(shards), 8)


def test_every_image_is_told_once(model: ClipModel, files: list[Path]) -> None:
    steps: list[int] = []
    contribute(model, files, HEADS, batch_size=3, advance=steps.append)
    assert steps == [3, 3, 1]


def test_patches_sum_to_the_head(model: ClipModel, files: list[Path]) -> None:
    found: Contributions = contribute(model, files, HEADS)
    tokens = list(patch_contributions(model, files, HEADS, batch_size=3))
    assert len(tokens) == len(files)
    for image, each in enumerate(tokens):
        assert each.shape[:2] == (len(HEADS), 1 + 16)
        torch.testing.assert_close(each.sum(dim=1), found.coordinates[image], atol=1e-5, rtol=1e-4)


def test_a_file_that_vanished_is_named(model: ClipModel, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match=r"lost\.png"):
        contribute(model, [tmp_path / "lost.png"], HEADS)


def test_damaged_weights_are_one_clear_line(files: list[Path], tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "damaged")
    model.clip.visual.ln_post.bias.fill_(torch.inf)
    with pytest.raises(ModelError, match="not finite"):
        contribute(model, files, HEADS)
