"""A folder of images in any form becomes a gallery; what cannot be read is named."""

import hashlib
import io
import json
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clipheads.bundle.errors import GalleryError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.gallery import pictures as gallery
from clipheads.gallery.files import GalleryFile, list_gallery
from clipheads.gallery.pictures import in_order, open_image, room_for, write_gallery
from clipheads.gallery.shown_names import readable

RED = (200, 30, 40)


def _png_header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels, as decompression bombs do."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def _build(folder: Path, out: Path) -> GalleryManifest:
    files, absent = list_gallery(folder)
    return write_gallery(files, out, title="Test", skipped=absent)


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "PNG"]
)
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (40, 30), RED).save(tmp_path / f"a.{suffix}")
    (file,), _ = list_gallery(tmp_path)
    image = open_image(file.path)
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert np.abs(np.asarray(image, dtype=int) - RED).max() <= 6


@pytest.mark.parametrize("size", [(1, 1_000_000), (30_000, 2)])
def test_a_line_that_a_model_would_blow_up_to_gigabytes_is_skipped(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, RED).save(tmp_path / "line.png")
    Image.new("RGB", (40, 30), RED).save(tmp_path / "picture.png")
    manifest = _build(tmp_path, tmp_path / "gallery")
    assert [image.id for image in manifest.images] == ["picture"]
    assert "more than 100 times as long as it is wide" in manifest.skipped[0].reason


def _small_image(kind: str, mode: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, kind)
    return data.getvalue()


SMALL_IMAGES = [
    _small_image(kind, mode)
    for kind, mode in [
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGBA"),
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("TIFF", "F"),
        ("TIFF", "I;16"),
    ]
]


@settings(max_examples=150, deadline=2000)
@given(
    st.sampled_from(SMALL_IMAGES),
    # The first bytes say how all others are to be read, so that damage there does most.
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 100), st.integers(0, 4000)),
            st.integers(0, 6),
            st.binary(max_size=6),
        ),
        max_size=5,
    ),
)
def test_whatever_is_damaged_an_image_is_shown_or_skipped_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, damages: list[tuple[int, int, bytes]]
) -> None:
    content = bytearray(whole)
    for place, length, put in damages:
        at = place % max(1, len(content))
        content[at : at + length] = put
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "a.png").write_bytes(content)
    Image.new("RGB", (4, 3), RED).save(folder / "b.png")
    manifest = _build(folder, folder / "gallery")
    for image in manifest.images:
        with Image.open(folder / "gallery" / f"{image.id}.webp") as shown:
            assert shown.size == (image.width, image.height)
    for skipped in manifest.skipped:
        assert skipped.reason.isprintable()
    assert len(manifest.images) + len(manifest.skipped) == 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGBA", "LA", "I;16", "I", "F", "YCbCr"])
def test_every_mode_keeps_white_white_and_black_black(tmp_path: Path, mode: str) -> None:
    grey = np.zeros((8, 8), dtype=np.uint8)
    grey[:, 4:] = 255
    if mode in ("I;16", "I", "F"):
        wide = grey.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]) * 257
        image = Image.fromarray(wide)
        assert image.mode == mode
    else:
        image = Image.fromarray(grey).convert("RGB").convert(mode)
    path = tmp_path / "a.tif"
    image.save(path) if mode != "YCbCr" else image.save(tmp_path / "a.jpg", quality=100)
    opened = np.asarray(open_image(path if mode != "YCbCr" else tmp_path / "a.jpg"), dtype=int)
    assert opened[:, 0].max() <= 3
    assert opened[:, 7].min() >= 252


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.png")
    opened = np.asarray(open_image(tmp_path / "a.png"), dtype=int)[..., 0]
    assert np.abs(opened - values / 257).max() <= 0.5


def test_transparency_is_flattened_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    palette = Image.new("RGB", (4, 4), "red").convert("P")
    palette.save(tmp_path / "b.png", transparency=palette.getpixel((0, 0)))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    half.save(tmp_path / "c.png")
    assert np.asarray(open_image(tmp_path / "a.png")).min() == 255
    assert np.asarray(open_image(tmp_path / "b.png")).min() == 255
    assert abs(int(np.asarray(open_image(tmp_path / "c.png")).mean()) - 127) <= 1


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert open_image(tmp_path / "a.jpg").size == (20, 40)


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.asarray(open_image(tmp_path / "a.gif"))[0, 0].tolist() == [255, 0, 0]


def test_broken_files_are_skipped_with_file_and_reason(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / "good.png")
    Image.open(folder / "good.png").save(folder / "cut.jpg", quality=95)
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:900])
    (folder / "deep" / "text.png").write_text("no image")
    (folder / "empty.gif").touch()
    (folder / "bomb.png").write_bytes(_png_header_only(60_000, 60_000))
    (folder / "large.png").write_bytes(_png_header_only(9_500, 9_500))
    manifest = _build(folder, tmp_path / "out")
    assert [image.id for image in manifest.images] == ["good"]
    reasons = {skipped.file: skipped.reason for skipped in manifest.skipped}
    assert list(reasons) == ["bomb.png", "cut.jpg", "deep/text.png", "empty.gif", "large.png"]
    assert "truncated" in reasons["cut.jpg"]
    assert "not an image" in reasons["deep/text.png"]
    assert "million" in reasons["bomb.png"]
    assert "million" in reasons["large.png"]
    assert not any(str(tmp_path) in reason for reason in reasons.values())


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), RED).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert np.asarray(open_image(tmp_path / "a.jpg"))[0, 0].tolist() == list(RED)
    Image.new("RGB", (8, 8), RED).save(tmp_path / "b.eps")
    (tmp_path / "b.eps").rename(tmp_path / "b.png")
    with pytest.raises(GalleryError, match="a program and is not run"):
        open_image(tmp_path / "b.png")


def test_what_is_shown_is_small_and_says_its_size(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (2000, 500), RED).save(folder / "wide.png")
    Image.new("RGB", (60, 90), RED).save(folder / "tiny.png")
    manifest = _build(folder, tmp_path / "out")
    sizes = {image.id: (image.width, image.height) for image in manifest.images}
    assert sizes == {"wide": (512, 128), "tiny": (60, 90)}
    for name, size in sizes.items():
        assert Image.open(tmp_path / "out" / f"{name}.webp").size == size
    written = GalleryManifest.model_validate_json((tmp_path / "out/manifest.json").read_text())
    assert written == manifest


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        pixels = rng.integers(0, 255, (700, 600, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    _build(folder, tmp_path / "one")
    _build(folder, tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 13
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_hash_sees_pixels_and_credits(tmp_path: Path) -> None:
    def sha256(colour: tuple[int, int, int], credit: str) -> str:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(folder / "a.png")
        (folder / "gallery.csv").write_text(f"file,credit\na.png,{credit}\n")
        return _build(folder, tmp_path / "out").sha256

    hashes = {sha256(RED, "Ann"), sha256(RED, "Bob"), sha256((201, 30, 40), "Ann")}
    assert len(hashes) == 3
    assert sha256(RED, "Ann") in hashes


def test_the_listing_gives_titles_and_credits(tmp_path: Path) -> None:
    for name in ("a.png", "red_fox-2.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "gallery.csv").write_text(
        "file,title,credit,licence,source\n"
        'a.png,"Fox, asleep",Ann,CC BY 4.0,https://example.org/fox\n'
        "lost.png,Lost,,,\n",
        encoding="utf-8-sig",
    )
    files, absent = list_gallery(tmp_path)
    first, second = files
    assert (first.title, first.credit, first.licence, first.source) == (
        "Fox, asleep",
        "Ann",
        "CC BY 4.0",
        "https://example.org/fox",
    )
    assert (second.title, second.credit, second.source) == ("Red fox 2", "", "red_fox-2.png")
    assert [skipped.file for skipped in absent] == ["lost.png"]


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("title\nFox\n", "must name the column file"),
        ("file\na.png\na.png\n", "line 3: 'a.png' is listed twice"),
    ],
)
def test_a_listing_of_another_form_is_refused(tmp_path: Path, listing: str, message: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "gallery.csv").write_text(listing)
    with pytest.raises(GalleryError, match=message):
        list_gallery(tmp_path)


def test_names_are_unique_and_hidden_files_and_the_atlas_are_passed_over(tmp_path: Path) -> None:
    for name in ("a/1.png", "a-1.png", "a/1.jpg", ".hidden.png", ".cache/b.png", "atlas/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    files, _ = list_gallery(tmp_path, exclude=tmp_path / "atlas")
    assert [file.file for file in files] == ["a-1.png", "a/1.jpg", "a/1.png"]
    assert len({file.id for file in files}) == 3


def test_a_gallery_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="no such folder"):
        list_gallery(tmp_path / "missing")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(GalleryError, match="no gallery; one is a folder of images"):
        list_gallery(tmp_path / "notes.txt")
    with pytest.raises(GalleryError, match="no image files"):
        list_gallery(tmp_path)
    (tmp_path / "a.png").touch()
    files, _ = list_gallery(tmp_path)
    with pytest.raises(GalleryError, match=r"none of the 1 image files can be read; a\.png: "):
        write_gallery(files, tmp_path / "out", title="Test")


def test_a_name_that_is_not_text_does_not_stop_the_build(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    (folder / "a.png").rename(folder / "caf\udce9.png")
    manifest = _build(folder, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert len(manifest.images) == 1


def test_threads_keep_the_order_and_run_few_ahead() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return item * item

    results = in_order(work, range(1000))
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(begun) < 50
    assert list(results) == [item * item for item in range(3, 1000)]


def test_file_names_become_titles() -> None:
    assert readable("red_fox--in  snow") == "Red fox in snow"


def test_threads_wait_rather_than_hold_many_large_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        Image.new("RGB", (100, 100)).save(tmp_path / f"{number}.png")
    files, _ = list_gallery(tmp_path)
    monkeypatch.setattr(gallery, "_room", gallery._Room(25_000))
    held: list[int] = []
    most: list[int] = []

    def hold(file: GalleryFile) -> None:
        with room_for(file.path):
            held.append(1)
            time.sleep(0.01)
            most.append(len(held))
            held.pop()

    assert len(list(in_order(hold, files))) == 8
    assert max(most) <= 2


def test_an_image_larger_than_all_room_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "PIXELS_AT_ONCE", 100)
    monkeypatch.setattr(gallery, "_room", gallery._Room(100))
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    with room_for(tmp_path / "a.png"):
        assert open_image(tmp_path / "a.png").size == (100, 100)
    with room_for(tmp_path / "gone.png"):
        pass


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "I", "F", "L", "RGB"])
def test_bands_of_rows_change_no_pixel(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray(rng.integers(0, 50_000, (30, 20)).astype(kind))
    else:
        pixels = rng.integers(0, 255, (30, 20, 4), dtype=np.uint8)
        image = Image.fromarray(pixels).convert(mode)
    path = tmp_path / "a.tif"
    image.save(path)
    whole = open_image(path)
    digest = gallery._hash(whole)
    monkeypatch.setattr(gallery, "BAND_PIXELS", 60)

    banded = open_image(path)

    assert np.array_equal(np.asarray(banded), np.asarray(whole))
    assert gallery._hash(banded) == digest == hashlib.sha256(whole.tobytes()).hexdigest()
