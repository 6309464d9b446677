"""Finds the images of a gallery: in a folder, a manifest, or the tar shards of a WebDataset.

Every file that is found is read once, for its hash, but no image is decoded. Nothing is unpacked:
an image in a shard is read where it lies. What cannot be taken is named with the reason.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from clipheads.bundle.disk.hashing import sha256_stream
from clipheads.bundle.errors import GalleryError, system_reason
from clipheads.bundle.gallery import SkippedImage
from clipheads.gallery import manifests
from clipheads.gallery.folders import files_below
from clipheads.gallery.found import Details, Found, ImageFile
from clipheads.gallery.image_ids import SUFFIXES, image_id
from clipheads.gallery.manifests import read_manifest
from clipheads.gallery.shard_samples import read_shard
from clipheads.gallery.shown_names import readable, shown
from clipheads.gallery.tar_shards import opened_member, shards_of

LISTING = "gallery.csv"
KINDS = "a folder of images, a .csv or .jsonl manifest, or .tar shards such as s-{000..007}.tar"

LONGEST_FILE = 2**30
"""Bytes; a larger file is no image that is read."""


@dataclass(frozen=True)
class GalleryFile:
    """One image of a gallery, not yet opened."""

    path: ImageFile
    file: str
    """Its name within the gallery, with forward slashes."""
    id: str
    title: str
    credit: str
    licence: str
    source: str
    sha256: str


def list_gallery(
    gallery: Path, exclude: Path | None = None
) -> tuple[list[GalleryFile], list[SkippedImage]]:
    """List the images of a gallery.

    - A folder: the image files in it and its subfolders, in order of their relative path, and
      those inside its tar files. `gallery.csv` in it, if there is one, is its manifest. Hidden
      files and everything under `exclude` (the atlas itself) are passed over.
    - A manifest: a .csv with the columns `file`, `title`, `credit`, `licence`, `source`, or a
      .jsonl with such an object on each line, in its own order; all but `file` may be missing.
      Files are named relative to the manifest.
    - Tar shards of a WebDataset: one file, or a pattern with a range such as
      `shards/{000..007}.tar`. The files beside an image that share its key, `.json` and `.txt`,
      say the same as the columns of a manifest.

    Returns:
        The files, and what is named as one without being there or cannot be read: entries of a
        manifest, links in a shard, folders that may not be looked into or that this program made.

    Raises:
        GalleryError: if the gallery is missing, holds no image, or its manifest or a shard
            cannot be read.
    """
    try:
        images, details, skipped = _find(gallery, exclude)
    except OSError as error:
        raise GalleryError(f"{gallery}: cannot be read ({system_reason(error)})") from error
    files: list[GalleryFile] = []
    name_of: dict[str, str] = {}
    for name, path in images.items():
        file = shown(name)
        try:
            digest = _hash(path)
        except GalleryError as error:
            skipped.append(SkippedImage(file=file, reason=str(error)))
            continue
        identity = image_id(name)
        if identity in name_of:
            raise GalleryError(f"{gallery}: {name_of[identity]} and {file} have one id; rename one")
        name_of[identity] = file
        files.append(_with_details(path, file, identity, digest, details.get(name, {})))
    if not files and skipped:
        first = skipped[0]
        raise GalleryError(
            f"{gallery}: none of the {len(skipped)} images that it names can be read; "
            f"{first.file}: {first.reason}"
        )
    if not files:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise GalleryError(f"{gallery}: no image files there ({kinds})")
    return files, skipped


def _with_details(
    path: ImageFile, file: str, identity: str, digest: str, details: Mapping[str, str]
) -> GalleryFile:
    """An image with what is said of it, or what its name says."""
    return GalleryFile(
        path=path,
        file=file,
        id=identity,
        title=details.get("title") or readable(file.rsplit("/", 1)[-1].rsplit(".", 1)[0]),
        credit=details.get("credit", ""),
        licence=details.get("licence", ""),
        source=details.get("source") or file,
        sha256=digest,
    )


def gallery_title(gallery: Path) -> str:
    """Make a title of a gallery's name: of a folder the whole, of a file without its suffix."""
    whole = gallery.resolve()
    name = whole.name if whole.is_dir() else re.sub(r"\{[^}]*\}", "", whole.stem)
    return readable(shown(name)) or "Gallery"


@contextmanager
def opened(file: ImageFile) -> Iterator[Path | BufferedReader]:
    """Give what Pillow opens: the path, or the bytes inside a shard."""
    if isinstance(file, Path):
        yield file
    else:
        with opened_member(file) as data:
            yield data


def _find(gallery: Path, exclude: Path | None) -> Found:
    if gallery.is_dir():
        return _in_folder(gallery, exclude)
    if gallery.suffix.lower() in manifests.SUFFIXES and gallery.is_file():
        return _in_manifest(gallery)
    if gallery.suffix.lower() == ".tar":
        return _in_shards(gallery)
    if gallery.exists():
        raise GalleryError(f"{gallery}: no gallery; one is {KINDS}")
    raise GalleryError(f"{gallery}: no such folder or file; a gallery is {KINDS}")


def _in_folder(folder: Path, exclude: Path | None) -> Found:
    paths, skipped = files_below(folder, SUFFIXES | {".tar"}, exclude)
    images: dict[str, ImageFile] = {}
    manifest = folder / LISTING
    if os.path.lexists(manifest) and not manifest.is_file():
        raise GalleryError(f"{manifest}: not a regular file, so it lists no images")
    details = read_manifest(manifest) if manifest.is_file() else {}
    listed = list(details)
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() != ".tar":
            images[name] = path
            continue
        shard = read_shard(path, f"{name}/")
        images |= shard.images
        details = shard.details | details
        skipped += shard.skipped
    found = {shown(name) for name in images} | {image.file for image in skipped}
    skipped += [_absent(name, LISTING) for name in listed if shown(name) not in found]
    return Found(dict(sorted(images.items())), details, skipped)


def _in_manifest(manifest: Path) -> Found:
    details = read_manifest(manifest)
    paths = {name: manifest.parent / name for name in details}
    images: dict[str, ImageFile] = {name: path for name, path in paths.items() if _is_file(path)}
    absent = [_absent(name, manifest.name) for name in details if name not in images]
    return Found(images, details, absent)


def _in_shards(pattern: Path) -> Found:
    images: dict[str, ImageFile] = {}
    details: Details = {}
    skipped: list[SkippedImage] = []
    shards = shards_of(pattern)
    for path in shards:
        # Names must not change when a range grows from one shard to two.
        shard = read_shard(path, "" if shards == [pattern] else f"{path.name}/")
        images |= shard.images
        details |= shard.details
        skipped += shard.skipped
    return Found(images, details, skipped)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # as where a name is too long for the file system
        return False


def _absent(name: str, manifest: str) -> SkippedImage:
    reason = f"named in {manifest}, but there is no such image file"
    return SkippedImage(file=shown(name), reason=reason)


def _hash(file: ImageFile) -> str:
    """Return the SHA-256 of an image's bytes.

    Raises:
        GalleryError: saying why it cannot be read, without the file's name.
    """
    try:
        with file.open("rb") if isinstance(file, Path) else opened_member(file) as data:
            size = data.seek(0, os.SEEK_END)
            if size > LONGEST_FILE:
                raise GalleryError(
                    f"{size} bytes are more than the {LONGEST_FILE // 2**20} MiB that are read"
                )
            data.seek(0)
            return sha256_stream(data)
    except OSError as error:
        raise GalleryError(f"cannot be read ({system_reason(error)})") from error
