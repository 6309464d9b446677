"""Finds the images of a gallery: in a folder, a manifest, or the tar shards of a WebDataset.

Nothing is opened or unpacked here; an image in a shard is read where it lies.
"""

import csv
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clipheads.bundle import SkippedImage
from clipheads.errors import GalleryError
from clipheads.slugs import unique_slugs

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
LISTING = "gallery.csv"
MANIFESTS = frozenset({".csv", ".jsonl"})
FIELDS = ("title", "credit", "licence", "source")
KINDS = "a folder of images, a .csv or .jsonl manifest, or .tar shards such as s-{000..007}.tar"


@dataclass(frozen=True)
class ShardMember:
    """An image inside an uncompressed tar file: its bytes lie there as they are."""

    shard: Path
    name: str
    begin: int
    size: int

    def __str__(self) -> str:
        return f"{self.shard}/{self.name}"


ImageFile = Path | ShardMember


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


Listed = dict[str, dict[str, str]]
"""For each name of a file what is said of it."""


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
        The files, and what is named as one without being there: entries of a manifest, and
        links in a shard.

    Raises:
        GalleryError: if the gallery is missing, holds no image, or its manifest or a shard
            cannot be read.
    """
    if gallery.is_dir():
        files, listed, absent = _of_folder(gallery, exclude)
    elif gallery.suffix.lower() in MANIFESTS and gallery.is_file():
        files, listed, absent = _of_manifest(gallery)
    elif gallery.suffix.lower() == ".tar":
        files, listed, absent = _of_shards(gallery)
    elif gallery.exists():
        raise GalleryError(f"{gallery}: no gallery; one is {KINDS}")
    else:
        raise GalleryError(f"{gallery}: no such folder or file; a gallery is {KINDS}")
    if not files and absent:
        first = absent[0]
        raise GalleryError(
            f"{gallery}: none of the {len(absent)} images that it names can be read; "
            f"{first.file}: {first.reason}"
        )
    if not files:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise GalleryError(f"{gallery}: no image files there ({kinds})")
    ids = unique_slugs((name, name.rsplit(".", 1)[0]) for name in files)
    found = []
    for (name, path), image_id in zip(files.items(), ids, strict=True):
        row = listed.get(name, {})
        found.append(
            GalleryFile(
                path=path,
                file=name,
                id=image_id,
                title=row.get("title") or readable(name.rsplit("/", 1)[-1].rsplit(".", 1)[0]),
                credit=row.get("credit", ""),
                licence=row.get("licence", ""),
                source=row.get("source") or name,
                sha256=_hash(path),
            )
        )
    return found, absent


Found = tuple[dict[str, ImageFile], Listed, list[SkippedImage]]
"""Images by name, what is said of them, and what was named without being there."""


def _of_folder(folder: Path, exclude: Path | None) -> Found:
    files: dict[str, ImageFile] = {
        _relative(path, folder): path for path in _walk(folder, exclude, SUFFIXES)
    }
    manifest = folder / LISTING
    listed = _read_csv(manifest) if manifest.exists() else {}
    named = list(listed)
    absent: list[SkippedImage] = []
    for shard in sorted(_walk(folder, exclude, {".tar"})):
        inside, said, links = _read_shard(shard, f"{_relative(shard, folder)}/")
        files |= inside
        listed = said | listed
        absent += links
    known = files.keys() | {link.file for link in absent}
    absent += [_absent(name, LISTING) for name in named if name not in known]
    return dict(sorted(files.items())), listed, absent


def _of_manifest(manifest: Path) -> Found:
    listed = _read_csv(manifest) if manifest.suffix.lower() == ".csv" else _read_jsonl(manifest)
    places = {name: manifest.parent / name for name in listed}
    files: dict[str, ImageFile] = {name: path for name, path in places.items() if _is_file(path)}
    absent = [_absent(name, manifest.name) for name in listed if name not in files]
    return files, listed, absent


def _of_shards(pattern: Path) -> Found:
    files: dict[str, ImageFile] = {}
    listed: Listed = {}
    absent: list[SkippedImage] = []
    shards = shards_of(pattern)
    for shard in shards:
        inside, said, links = _read_shard(shard, f"{shard.name}/" if len(shards) > 1 else "")
        files |= inside
        listed |= said
        absent += links
    return files, listed, absent


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # as where a name is too long for the file system
        return False


def shards_of(pattern: Path) -> list[Path]:
    """Return the shards that a pattern such as `s-{000..002}.tar` stands for, or the one file.

    >>> [shard.name for shard in shards_of(Path("s-{08..10}.tar"))]
    ['s-08.tar', 's-09.tar', 's-10.tar']

    Raises:
        GalleryError: if a range runs backwards.
    """
    found = re.search(r"\{(\d+)\.\.(\d+)\}", pattern.name)
    if not found:
        return [pattern]
    first, last = found.groups()
    if int(first) > int(last):
        raise GalleryError(f"{pattern}: the range {found[0]} runs backwards")
    return [
        shard
        for number in range(int(first), int(last) + 1)
        for shard in shards_of(
            pattern.with_name(pattern.name.replace(found[0], f"{number:0{len(first)}d}", 1))
        )
    ]


@contextmanager
def opened(file: ImageFile) -> Iterator[Path | BinaryIO]:
    """Give what Pillow opens: the path, or the bytes inside a shard."""
    if isinstance(file, Path):
        yield file
    else:
        with io.BytesIO(_bytes(file)) as data:
            yield data


def readable(name: str) -> str:
    """Make a title of a file's name: `"red_fox-2"` becomes `"Red fox 2"`."""
    words = " ".join(re.split(r"[\s_\-]+", name)).strip()
    return words[:1].upper() + words[1:]


def gallery_title(gallery: Path) -> str:
    """Make a title of a gallery's name: of a folder the whole, of a file without its suffix."""
    whole = gallery.resolve()
    name = whole.name if whole.is_dir() else re.sub(r"\{[^}]*\}", "", whole.stem)
    return readable(name) or "Gallery"


def _bytes(member: ShardMember) -> bytes:
    with member.shard.open("rb") as shard:
        shard.seek(member.begin)
        return shard.read(member.size)


def _hash(file: ImageFile) -> str:
    try:
        if isinstance(file, ShardMember):
            return hashlib.sha256(_bytes(file)).hexdigest()
        with file.open("rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _absent(name: str, manifest: str) -> SkippedImage:
    return SkippedImage(file=name, reason=f"named in {manifest}, but there is no such image file")


def _walk(folder: Path, exclude: Path | None, suffixes: Container[str]) -> Iterator[Path]:
    barred = exclude.resolve() if exclude is not None else None
    for root, folders, names in os.walk(folder):
        here = Path(root)
        if barred is not None and here.resolve() == barred:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith(".") or Path(name).suffix.lower() not in suffixes:
                continue
            path = here / name
            # A pipe or a device would be waited for without end; a broken link is named later.
            if path.is_file() or not path.exists():
                yield path


def _relative(path: Path, folder: Path) -> str:
    return _text(path.relative_to(folder).as_posix())


def _text(words: str) -> str:
    # What is not valid UTF-8 could not be written to JSON.
    return words.encode("utf-8", "replace").decode()


def _read_shard(shard: Path, prefix: str) -> Found:
    """List the images of a tar file in its own order, and what the files beside them say.

    Of two members with one name the later counts, as when a tar file is unpacked.
    """
    images: dict[str, ImageFile] = {}
    listed: Listed = {}
    links: list[SkippedImage] = []
    beside: list[ShardMember] = []
    try:
        with tarfile.open(shard, "r:") as tar:
            for entry in tar:
                suffix = Path(entry.name).suffix.lower()
                if entry.isdir() or Path(entry.name).name.startswith("."):
                    continue
                member = ShardMember(shard, _text(entry.name), entry.offset_data, entry.size)
                name = prefix + member.name.removeprefix("./")
                whole = entry.isreg() and not entry.issparse()
                if suffix in SUFFIXES and whole:
                    images[name] = member
                elif suffix in SUFFIXES:
                    reason = f"a link or another special entry of {shard.name}, not an image file"
                    links.append(SkippedImage(file=name, reason=reason))
                elif suffix in {".json", ".txt"} and whole:
                    beside.append(member)
            end = tar.offset
        with shard.open("rb") as data:
            data.seek(end)
            # tarfile takes a damaged header for the end, which would lose the images after it.
            if any(data.read(tarfile.BLOCKSIZE)):
                raise GalleryError(f"{shard}: damaged at byte {end}; what follows cannot be read")
    except FileNotFoundError:
        raise GalleryError(f"{shard}: no such shard") from None
    except OSError as error:
        raise GalleryError(f"{shard}: cannot be read ({error.strerror})") from error
    except tarfile.TarError as error:
        with_gzip = shard.open("rb").read(2) == b"\x1f\x8b"
        why = "it is compressed; unpack it with gunzip" if with_gzip else str(error)
        raise GalleryError(f"{shard}: cannot be read as a tar file ({why})") from error
    samples: dict[str, list[str]] = {}
    for name in images:
        samples.setdefault(_key(name.removeprefix(prefix)), []).append(name)
    for member in beside:
        names = samples.get(_key(member.name.removeprefix("./")), [])
        said = _said_beside(member) if names else {}
        for name in names:
            listed.setdefault(name, {}).update(said)
    return images, listed, links


def _key(name: str) -> str:
    """The key of a WebDataset sample: the path up to the first dot of the file's name."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.split(".", 1)[0]


def _said_beside(member: ShardMember) -> dict[str, str]:
    text = _bytes(member).decode("utf-8", "replace").strip()
    if member.name.lower().endswith(".txt"):
        return {"title": " ".join(text.split())}
    said = _json(text, str(member))
    if not isinstance(said, dict):
        raise GalleryError(f"{member}: not a JSON object")
    other = {"title": "caption", "licence": "license", "source": "url"}
    values = {field: said.get(field) or said.get(other.get(field, "")) for field in FIELDS}
    return {field: _text(str(value)) for field, value in values.items() if value}


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    # What is nested too deeply is a RecursionError.
    except (ValueError, RecursionError) as error:
        raise GalleryError(f"{where}: no valid JSON ({error})") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GalleryError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def _read_csv(path: Path) -> Listed:
    reader = csv.DictReader(io.StringIO(_read_text(path), newline=""), restkey="", restval="")
    rows: Listed = {}
    try:
        if "file" not in (reader.fieldnames or []):
            raise GalleryError(f"{path}: the first line must name the columns, among them 'file'")
        for row in reader:
            _add(rows, row["file"], row, f"{path}, line {reader.line_num}")
    except csv.Error as error:
        raise GalleryError(
            f"{path}, after line {reader.line_num}: no valid CSV ({error})"
        ) from None
    return rows


def _read_jsonl(path: Path) -> Listed:
    rows: Listed = {}
    # Not `splitlines`: JSON may hold other separators, such as U+2028, as they are.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        row = _json(line, where)
        if not isinstance(row, dict) or not isinstance(row.get("file"), str):
            raise GalleryError(f"{where}: not an object with the name of a 'file'")
        said = {key: str(value) for key, value in row.items() if value is not None}
        _add(rows, row["file"], said, where)
    return rows


def _add(rows: Listed, file: str, said: dict[str, str], where: str) -> None:
    name = _text(file.strip().removeprefix("./"))
    if not name:
        raise GalleryError(f"{where}: no name of a file")
    if name in rows:
        raise GalleryError(f"{where}: {name!r} is listed twice")
    rows[name] = {key: _text(value.strip()) for key, value in said.items() if key in FIELDS}
