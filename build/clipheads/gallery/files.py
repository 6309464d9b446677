"""Finds the images of a gallery: in a folder, a manifest, or the tar shards of a WebDataset.

Every file that is found is read once, for its hash, but no image is decoded. Nothing is unpacked:
an image in a shard is read where it lies. What cannot be taken is named with the reason.
"""

import hashlib
import os
import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

from clipheads.bundle.disk.record_files import parse_json, read_table, read_text
from clipheads.bundle.errors import GalleryError
from clipheads.bundle.gallery import SkippedImage
from clipheads.gallery.image_ids import SUFFIXES, image_id
from clipheads.gallery.tar_shards import (
    ShardMember,
    member_bytes,
    opened_member,
    shard_members,
    shards_of,
)

LISTING = "gallery.csv"
MANIFESTS = frozenset({".csv", ".jsonl"})
FIELDS = ("title", "credit", "licence", "source")
KINDS = "a folder of images, a .csv or .jsonl manifest, or .tar shards such as s-{000..007}.tar"

LONGEST_FILE = 2**30
"""Bytes; a larger file is no image that is read."""

LONGEST_BESIDE = 2**20
"""Bytes of the text or JSON beside an image in a shard."""


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
"""For each name of a file what is said of it.

Names are the system's own, in which bytes that are no UTF-8 are surrogates, until they are shown.
"""


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
        files, listed, absent = _find(gallery, exclude)
    except OSError as error:
        raise GalleryError(f"{gallery}: cannot be read ({error.strerror})") from error
    found: list[GalleryFile] = []
    taken: dict[str, str] = {}
    for name, path in files.items():
        shown = _shown(name)
        try:
            digest = _hash(path)
        except GalleryError as error:
            absent.append(SkippedImage(file=shown, reason=str(error)))
            continue
        identity = image_id(name)
        if identity in taken:
            raise GalleryError(f"{gallery}: {taken[identity]} and {shown} have one id; rename one")
        taken[identity] = shown
        row = listed.get(name, {})
        found.append(
            GalleryFile(
                path=path,
                file=shown,
                id=identity,
                title=row.get("title") or readable(shown.rsplit("/", 1)[-1].rsplit(".", 1)[0]),
                credit=row.get("credit", ""),
                licence=row.get("licence", ""),
                source=row.get("source") or shown,
                sha256=digest,
            )
        )
    if not found and absent:
        first = absent[0]
        raise GalleryError(
            f"{gallery}: none of the {len(absent)} images that it names can be read; "
            f"{first.file}: {first.reason}"
        )
    if not found:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise GalleryError(f"{gallery}: no image files there ({kinds})")
    return found, absent


Found = tuple[dict[str, ImageFile], Listed, list[SkippedImage]]
"""Images by name, what is said of them, and what was named without being there."""


def _find(gallery: Path, exclude: Path | None) -> Found:
    if gallery.is_dir():
        return _of_folder(gallery, exclude)
    if gallery.suffix.lower() in MANIFESTS and gallery.is_file():
        return _of_manifest(gallery)
    if gallery.suffix.lower() == ".tar":
        return _of_shards(gallery)
    if gallery.exists():
        raise GalleryError(f"{gallery}: no gallery; one is {KINDS}")
    raise GalleryError(f"{gallery}: no such folder or file; a gallery is {KINDS}")


def _of_folder(folder: Path, exclude: Path | None) -> Found:
    paths, absent = _walk(folder, exclude, SUFFIXES | {".tar"})
    files: dict[str, ImageFile] = {}
    manifest = folder / LISTING
    if os.path.lexists(manifest) and not manifest.is_file():
        raise GalleryError(f"{manifest}: not a regular file, so it lists no images")
    listed = _read_csv(manifest) if manifest.is_file() else {}
    named = list(listed)
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() != ".tar":
            files[name] = path
            continue
        inside, said, links = _read_shard(path, f"{name}/")
        files |= inside
        listed = said | listed
        absent += links
    known = {_shown(name) for name in files} | {one.file for one in absent}
    absent += [_absent(name, LISTING) for name in named if _shown(name) not in known]
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
        # Names must not change when a range grows from one shard to two.
        inside, said, links = _read_shard(shard, "" if shards == [pattern] else f"{shard.name}/")
        files |= inside
        listed |= said
        absent += links
    return files, listed, absent


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # as where a name is too long for the file system
        return False


@contextmanager
def opened(file: ImageFile) -> Iterator[Path | BufferedReader]:
    """Give what Pillow opens: the path, or the bytes inside a shard."""
    if isinstance(file, Path):
        yield file
    else:
        with opened_member(file) as data:
            yield data


def readable(name: str) -> str:
    """Make a title of a file's name: `"red_fox-2"` becomes `"Red fox 2"`."""
    words = " ".join(re.split(r"[\s_\-]+", name)).strip()
    return words[:1].upper() + words[1:]


def gallery_title(gallery: Path) -> str:
    """Make a title of a gallery's name: of a folder the whole, of a file without its suffix."""
    whole = gallery.resolve()
    name = whole.name if whole.is_dir() else re.sub(r"\{[^}]*\}", "", whole.stem)
    return readable(_shown(name)) or "Gallery"


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
            return hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        raise GalleryError(f"cannot be read ({error.strerror})") from error


def _absent(name: str, manifest: str) -> SkippedImage:
    reason = f"named in {manifest}, but there is no such image file"
    return SkippedImage(file=_shown(name), reason=reason)


def _walk(
    folder: Path, exclude: Path | None, suffixes: Container[str]
) -> tuple[list[Path], list[SkippedImage]]:
    """Find the files with one of `suffixes` below a folder, in order, and what is passed over."""
    barred = exclude.resolve() if exclude is not None else None
    paths: list[Path] = []
    passed: list[SkippedImage] = []

    def skip(path: Path, reason: str) -> None:
        passed.append(SkippedImage(file=_shown(path.relative_to(folder).as_posix()), reason=reason))

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        skip(Path(error.filename), f"a folder that cannot be read ({error.strerror})")

    for root, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(root)
        if barred is not None and here.resolve() == barred:
            folders.clear()
            continue
        if here != folder and _is_ours(here):
            skip(here, "a folder that head-atlas made; name it as the gallery to take its images")
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if (here / name).is_symlink():
                skip(here / name, "a link to a folder, which is not followed")
        for name in names:
            if name.startswith(".") or Path(name).suffix.lower() not in suffixes:
                continue
            path = here / name
            if path.is_file():
                paths.append(path)
            elif not path.exists():
                skip(path, "a link that leads nowhere")
            else:  # a pipe or a device would be waited for without end
                skip(path, "not a regular file")
    return sorted(paths), sorted(passed, key=lambda one: one.file)


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a site or an atlas, whose pictures are copies of a gallery's."""
    if (folder / ".head-atlas.json").is_file():
        return True
    try:
        with (folder / "stages.json").open("rb") as file:
            return b"clip-head-atlas" in file.read(4096)
    except OSError:
        return False


def _shown(name: str) -> str:
    r"""Return a name as it is shown: bytes and characters that are no text as their escapes.

    >>> print(_shown("caf\udce9.png"))
    caf\xe9.png
    """
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair of surrogates, as JSON may hold it
        return name.encode("utf-8", "backslashreplace").decode()


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
    for member, plain in shard_members(shard):
        path = PurePosixPath(member.name)
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            continue
        name = prefix + member.name.removeprefix("./")
        if suffix in SUFFIXES and plain:
            images[name] = member
        elif suffix in SUFFIXES:
            reason = f"a link or another special entry of {shard.name}, not an image file"
            links.append(SkippedImage(file=_shown(name), reason=reason))
        elif suffix in {".json", ".txt"} and plain:
            beside.append(member)
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
    text = member_bytes(member, LONGEST_BESIDE).decode("utf-8", "replace").strip()
    if member.name.lower().endswith(".txt"):
        return {"title": " ".join(text.split())}
    said = parse_json(text, str(member), error=GalleryError)
    if not isinstance(said, dict):
        raise GalleryError(f"{member}: not a JSON object")
    other = {"title": "caption", "licence": "license", "source": "url"}
    values = {field: said.get(field) or said.get(other.get(field, "")) for field in FIELDS}
    return {field: _text(str(value)) for field, value in values.items() if value}


def _read_csv(path: Path) -> Listed:
    rows: Listed = {}
    for row in read_table(path, ("file",), error=GalleryError):
        _add(rows, row.fields["file"], row.fields, f"{path}, line {row.line}")
    return rows


def _read_jsonl(path: Path) -> Listed:
    rows: Listed = {}
    # Not `splitlines`: JSON may hold other separators, such as U+2028, as they are.
    lines = read_text(path, error=GalleryError).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        row = parse_json(line, where, error=GalleryError)
        if not isinstance(row, dict) or not isinstance(row.get("file"), str):
            raise GalleryError(f"{where}: not an object with the name of a 'file'")
        said = {key: str(value) for key, value in row.items() if value is not None}
        _add(rows, row["file"], said, where)
    return rows


def _add(rows: Listed, file: str, said: dict[str, str], where: str) -> None:
    name = file.strip().removeprefix("./")
    if not name:
        raise GalleryError(f"{where}: no name of a file")
    if name in rows:
        raise GalleryError(f"{where}: {name!r} is listed twice")
    rows[name] = {key: _text(value.strip()) for key, value in said.items() if key in FIELDS}
