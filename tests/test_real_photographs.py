"""A full-size model over real photographs, end to end, by the command line that users type."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from checkpoints import tiny_config, write_local_dir
from command_line import head_atlas
from PIL import Image
from sklearn.datasets import load_sample_images

from clipheads.bundle.disk.data_files import data_file
from clipheads.gallery.transforms import all_transforms, word_of
from clipheads.maths.decomposition import head_basis
from clipheads.maths.profile import measure_effects, measure_reading
from clipheads.model.load import load_model
from clipheads.model.open_clip_import import import_open_clip
from clipheads.model.text import embed_texts
from clipheads.stages.transform_pass import seen_pictures, transformed_coordinates

SCIKIT_IMAGE = (
    "astronaut camera cat coffee chelsea rocket coins moon brick grass gravel page text clock"
).split()


def write_photographs(folder: Path) -> int:
    """Save the photographs that scikit-image and scikit-learn carry, and return their number."""
    folder.mkdir()
    count = 0
    for name in SCIKIT_IMAGE:
        try:
            pixels = getattr(skimage.data, name)()
        except (OSError, ModuleNotFoundError):  # some pictures are downloaded when asked for
            continue
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8) * 255
        Image.fromarray(pixels).convert("RGB").save(folder / f"{name}.png")
        count += 1
    for name, pixels in zip(("china", "flower"), load_sample_images().images, strict=True):
        Image.fromarray(pixels).save(folder / f"{name}.jpg")
        count += 1
    return count


def thin_pool(file: Path) -> Path:
    """Every eighth description of the general pool, of all of its properties."""
    head, *rows = data_file("descriptions", "general.csv").read_text("utf-8").splitlines()
    file.write_text("\n".join([head, *rows[::8]]), "utf-8")
    return file


@pytest.mark.slow
def test_vit_b_32_from_a_checkpoint_file_over_photographs(tmp_path: Path) -> None:
    photos = write_photographs(tmp_path / "photos")
    torch.manual_seed(0)
    clip = import_open_clip().create_model("ViT-B-32", load_weights=False)
    torch.save(clip.state_dict(), tmp_path / "ViT-B-32.pt")
    atlas, site = tmp_path / "atlas", tmp_path / "site"

    built = head_atlas(
        "build", "--model", "ViT-B-32_datacomp_m_s128m_b4k",
        "--checkpoint", tmp_path / "ViT-B-32.pt",
        "--gallery", tmp_path / "photos", "--atlas", atlas, "--device", "cpu",
        "--descriptions", thin_pool(tmp_path / "pool.csv"), "--profile", "3",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    generated = head_atlas("site", "--atlas", atlas, "--out", site)
    assert generated.returncode == 0, generated.stderr
    checked = head_atlas("check", site)
    assert checked.returncode == 0, checked.stdout

    name = "ViT-B-32_datacomp_m_s128m_b4k"
    record = json.loads((atlas / name / "model.json").read_text())
    pages = sorted(path.parent.name for path in site.glob(f"{name}/L*.H*/index.html"))
    assert photos >= 8
    assert record["gallery_images"] == photos
    assert len(record["heads"]) == len(pages) == 144
    assert record["reconstruction_error"] <= 1e-5
    assert sum(term["variance_share"] for term in record["terms"]) == pytest.approx(1, abs=1e-4)
    # Weights that were never trained mean nothing, so no head of theirs has a name.
    assert [head["label"] for head in record["heads"]] == [None] * 144


SMALL = {
    "image_size": 224, "patch_size": 32, "layers": 12, "width": 384, "head_width": 32,
}  # fmt: skip
"""ViT-B/32 at half its width: as many layers, heads and patches for a quarter of the work."""


@pytest.mark.slow
def test_random_weights_have_no_clear_cause_and_do_not_read(tmp_path: Path) -> None:
    write_photographs(tmp_path / "photos")
    # As open_clip starts them.
    folder = write_local_dir(tmp_path / "random", tiny_config(256, **SMALL), biases=0)
    model = load_model(f"local-dir:{folder}", device="cpu")
    heads = [(layer, head) for layer in range(12) for head in range(12)]
    words, texts = ["dog", "pizza", "clock"], ["a dog", "a pizza", "a clock"]
    pictures = seen_pictures(model, cuttings(tmp_path / "photos", tmp_path / "cuttings"))
    before, *after = (
        transformed_coordinates(model, pictures, heads, transform)
        for transform in [None, *(one.apply for one in all_transforms(words))]
    )

    effects = measure_effects(before, after)
    reading = measure_reading(
        before,
        after[-1],
        torch.einsum("wd,hdr->whr", embed_texts(model, texts), head_basis(model).flatten(0, 1)),
        [word_of(words, seed) for seed in range(len(pictures))],
    )

    # They are moved a lot, but all alike.
    mean = dict(
        zip(
            (one.name for one in all_transforms(words)),
            effects.effect.value.mean(dim=0),
            strict=True,
        )
    )
    assert mean["invert"] > 1
    assert mean["edges"] > 1
    assert not effects.stands_out.any()
    assert not reading.reads.any()


def cuttings(photos: Path, folder: Path) -> list[Path]:
    """Cut three squares out of every photograph."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for photo in sorted(photos.iterdir()):
        with Image.open(photo) as whole:
            for number in range(3):
                side = int(min(whole.size) * rng.uniform(0.4, 0.9))
                x, y = (int(rng.integers(length - side + 1)) for length in whole.size)
                paths.append(folder / f"{photo.stem}-{number}.png")
                whole.crop((x, y, x + side, y + side)).resize((224, 224)).save(paths[-1])
    return paths
