"""The preprocessing in the browser gives what open_clip's gives, bit by bit."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from clipheads.gallery.pictures import open_image
from clipheads.model.open_clip_import import import_open_clip
from headatlas.template_files import templates_folder

DRIVER = Path(__file__).with_name("preprocess_with_node.mjs")
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


def _photographs():
    """Real photographs: of skimage's and sklearn's packages, none downloaded."""
    skimage = pytest.importorskip("skimage.data")
    sklearn = pytest.importorskip("sklearn.datasets")
    found = {name: getattr(skimage, name)() for name in ("astronaut", "coffee", "chelsea")}
    found |= {"camera": np.stack([skimage.camera()] * 3, axis=-1)}
    for name in ("china.jpg", "flower.jpg"):
        found[name] = sklearn.load_sample_image(name)
    return {name: Image.fromarray(pixels) for name, pixels in found.items()}


def _settings(size, mode, interpolation="bicubic"):
    return {
        "image_size": size,
        "resize_mode": mode,
        "interpolation": interpolation,
        "mean": MEAN,
        "std": STD,
    }


def _in_browser(folder, cases):
    """For each case the square [size, size, 3] and the floats [3, size, size]."""
    listed = []
    for n, (image, settings) in enumerate(cases):
        file = folder / f"{n}.raw"
        file.write_bytes(image.convert("RGBA").tobytes())
        width, height = image.size
        listed.append({"file": str(file), "width": width, "height": height, "settings": settings})
    (folder / "list.json").write_text(json.dumps(listed))
    modules = templates_folder() / "static" / "search"
    subprocess.run(["node", DRIVER, modules, folder / "list.json"], check=True)
    for each in listed:
        size = each["settings"]["image_size"]
        seen = np.fromfile(f"{each['file']}.square", np.uint8).reshape(size, size, 3)
        floats = np.fromfile(f"{each['file']}.floats", np.float32).reshape(3, size, size)
        yield seen, floats


def _in_python(image, settings):
    """open_clip's transform up to the square of 8 bits, and to the end."""
    import_open_clip()
    from open_clip.transform import image_transform

    transform = image_transform(
        settings["image_size"],
        is_train=False,
        mean=settings["mean"],
        std=settings["std"],
        interpolation=settings["interpolation"],
        resize_mode=settings["resize_mode"],
    )
    seen = image
    for step in transform.transforms[:-3]:
        seen = step(seen)
    return np.asarray(seen), transform(image).numpy()


def _compare(folder, cases):
    compared = 0
    for (image, settings), (seen, floats) in zip(cases, _in_browser(folder, cases), strict=True):
        expected, expected_floats = _in_python(image.convert("RGB"), settings)
        np.testing.assert_array_equal(seen, expected, err_msg=f"{image.size} {settings}")
        np.testing.assert_array_equal(floats, expected_floats)
        compared += 1
    assert compared == len(cases) > 0


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("size", [64, 224, 336])
def test_real_photographs_give_the_same_pixels_and_floats(tmp_path, size, mode):
    cases = [(image, _settings(size, mode)) for image in _photographs().values()]
    _compare(tmp_path, cases)


@pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13,
    reason="older Pillow resizes tall images in another order, with other rounding",
)
def test_every_shape_gives_the_same_pixels(tmp_path):
    rng = np.random.default_rng(3)
    sizes = [(1, 1), (1, 500), (700, 2), (64, 64), (63, 65), (65, 64), (64, 129), (1200, 90)]
    sizes += [tuple(map(int, rng.integers(3, 400, 2))) for _ in range(40)]
    cases = [
        (
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)),
            _settings(64, ["shortest", "squash"][n % 2], ["bicubic", "bilinear"][n // 2 % 2]),
        )
        for n, (width, height) in enumerate(sizes)
    ]
    _compare(tmp_path, cases)


def test_every_colour_under_every_transparency_lies_on_white_as_in_the_gallery(tmp_path):
    level, alpha = np.meshgrid(np.arange(256), np.arange(256))
    pixels = np.stack([level, 255 - level, level, alpha], axis=-1).astype(np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    image.save(tmp_path / "image.png")
    ((seen, _),) = _in_browser(tmp_path, [(image, _settings(256, "shortest"))])
    np.testing.assert_array_equal(seen, np.asarray(open_image(tmp_path / "image.png")))
