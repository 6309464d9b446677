"""Reads images in any common format, and writes them as the pages show them.

Models get the original files through `open_image`; pages show the resized WebP.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Condition
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from clipheads.bundle.disk.record_files import write_record
from clipheads.bundle.errors import GalleryError
from clipheads.bundle.gallery import GalleryImage, GalleryManifest, SkippedImage
from clipheads.gallery.files import GalleryFile, opened
from clipheads.gallery.found import ImageFile

LONG_SIDE = 512
QUALITY = 82
MAX_PIXELS = 80_000_000
"""Larger images are refused: a file of a few kilobytes can decode to gigabytes."""

MAX_RATIO = 100
"""Largest aspect ratio: preprocessing resizes the short side to the model's input, so that a thin
line of a few kilobytes would grow to gigabytes."""

PIXELS_AT_ONCE = MAX_PIXELS
"""Threads wait rather than hold more decoded pixels than this."""

BAND_PIXELS = 4_000_000
"""Images are converted in bands of rows, because a conversion needs several copies in memory."""

THREADS = min(8, os.cpu_count() or 1)

Item = TypeVar("Item")
Result = TypeVar("Result")


def write_gallery(
    files: list[GalleryFile],
    folder: Path,
    *,
    title: str,
    skipped: Iterable[SkippedImage] = (),
    advance: Callable[[int], None] = lambda _steps: None,
) -> GalleryManifest:
    """Write each readable image as `<id>.webp` (long side at most 512) and `manifest.json`.

    Files that cannot be read are skipped and listed in the manifest with the reason.

    Raises:
        GalleryError: if none can be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images: list[GalleryImage] = []
    broken: list[SkippedImage] = []
    digest = hashlib.sha256()

    def show(file: GalleryFile) -> tuple[GalleryImage, str] | SkippedImage:
        with room_for(file.path):
            try:
                image = open_image(file.path)
            except GalleryError as error:
                return SkippedImage(file=file.file, reason=str(error))
            pixels = _hash(image)
            width, height = _write_webp(image, folder / f"{file.id}.webp")
        record = GalleryImage(
            id=file.id,
            title=file.title,
            credit=file.credit,
            licence=file.licence,
            source=file.source,
            width=width,
            height=height,
        )
        return record, pixels

    with warnings.catch_warnings():
        # Pillow's own limits are looser than ours, and of a damaged file the reason is kept.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for outcome in in_order(show, files):
            advance(1)
            if isinstance(outcome, SkippedImage):
                broken.append(outcome)
                continue
            record, pixels = outcome
            images.append(record)
            digest.update(f"{record.model_dump_json()}{pixels}\n".encode())
    if not images:
        first = broken[0]
        raise GalleryError(
            f"none of the {len(broken)} image files can be read; {first.file}: {first.reason}"
        )
    manifest = GalleryManifest(
        title=title, sha256=digest.hexdigest(), images=images, skipped=[*broken, *skipped]
    )
    write_record(folder / "manifest.json", manifest)
    return manifest


def open_image(path: ImageFile) -> Image.Image:
    """Open an image as 8-bit RGB, upright, on white where it is transparent.

    Of an animation or a multi-page file the first frame is taken. Colour profiles are ignored, as
    in the preprocessing that CLIP was trained with.

    Raises:
        GalleryError: saying why it cannot be read, without the file's name.
    """
    try:
        with opened(path) as data, Image.open(data) as file:
            width, height = file.size
            if width * height > MAX_PIXELS:
                raise GalleryError(
                    f"{width} x {height} pixels are more than the {MAX_PIXELS // 10**6} million"
                    " that are read"
                )
            if max(file.size) > MAX_RATIO * min(file.size):
                raise GalleryError(
                    f"{width} x {height} pixels; no image is read that is more than {MAX_RATIO}"
                    " times as long as it is wide"
                )
            # Pillow would hand it to Ghostscript, whatever the file is called.
            if file.format == "EPS":
                raise GalleryError("an EPS drawing, which is a program and is not run")
            file.load()
            ImageOps.exif_transpose(file, in_place=True)
            return _to_rgb(file)
    except GalleryError:
        raise
    except UnidentifiedImageError as error:
        raise GalleryError("not an image, or not of a kind that can be read") from error
    except Image.DecompressionBombError as error:
        raise GalleryError(
            f"more than the {MAX_PIXELS // 10**6} million pixels that are read"
        ) from (error)
    except PermissionError as error:
        raise GalleryError("may not be read (permission denied)") from error
    # Pillow's decoders raise nearly anything on damaged files, and one bad file must not
    # stop a build.
    except Exception as error:
        reason = " ".join(str(error).replace(str(path), Path(str(path)).name).split())
        raise GalleryError(f"damaged: {reason or type(error).__name__}") from error


@contextmanager
def room_for(path: ImageFile) -> Iterator[None]:
    """Wait until there is room for the pixels of an image, and reserve it until the end.

    A file that is no image needs no room.
    """
    try:
        with opened(path) as data, Image.open(data) as file:
            pixels = min(file.width * file.height, PIXELS_AT_ONCE)
    except Exception:  # `open_image` says what is wrong
        pixels = 0
    with _room.taken(pixels):
        yield


class _Room:
    """A limit on the pixels that threads hold at once; a thread that exceeds it waits."""

    def __init__(self, pixels: int) -> None:
        self._free = pixels
        self._changed = Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Reserve room for `pixels` until the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


_room = _Room(PIXELS_AT_ONCE)


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Apply `work` in threads, a few items ahead, and give the results in order.

    Unlike `Executor.map`, it never holds more than a few results that were not consumed.
    """
    source = iter(items)
    with ThreadPoolExecutor(THREADS) as executor:
        pending = [executor.submit(work, item) for item in islice(source, 2 * THREADS)]
        try:
            while pending:
                result = pending.pop(0).result()
                pending += [executor.submit(work, item) for item in islice(source, 1)]
                yield result
        finally:
            for future in pending:
                future.cancel()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_grey_to_8_bits(np.asarray(image))).convert("RGB")
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        shown = Image.new("RGB", image.size)
        for box in _bands(image.size):
            rgba = image.crop(box).convert("RGBA")
            white = Image.new("RGBA", rgba.size, "white")
            shown.paste(Image.alpha_composite(white, rgba).convert("RGB"), box)
        return shown
    return image.convert("RGB")


def _bands(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    width, height = size
    rows = max(1, BAND_PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield 0, top, width, min(height, top + rows)


def _hash(image: Image.Image) -> str:
    """Return the SHA-256 of all pixels, row by row."""
    digest = hashlib.sha256()
    for box in _bands(image.size):
        digest.update(image.crop(box).tobytes())
    return digest.hexdigest()


def _grey_to_8_bits(values: np.ndarray) -> np.ndarray:
    """Scale 16-bit, 32-bit and floating-point grey values to 0…255 by their range."""
    height, width = values.shape
    bands = [slice(top, bottom) for _, top, _, bottom in _bands((width, height))]
    low = min(float(_finite(values[band]).min()) for band in bands)
    high = max(float(_finite(values[band]).max()) for band in bands)
    if low < 0 or high > 65535:
        top = (high - low) or 1.0
    else:
        low = 0.0
        if values.dtype.kind == "f" and high <= 1:
            top = 1.0
        elif values.dtype.itemsize > 2 and high <= 255:
            top = 255.0
        else:
            top = 65535.0
    grey = np.empty(values.shape, np.uint8)
    for band in bands:
        grey[band] = np.round((_finite(values[band]) - low) * (255.0 / top))
    return grey


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float64))


def _write_webp(image: Image.Image, path: Path) -> tuple[int, int]:
    scale = min(1.0, LONG_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    shown = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    # A profile of the original does not fit pixels that were converted without it.
    shown.save(path, format="WEBP", quality=QUALITY, method=4, icc_profile=b"", exif=b"")
    return size
