"""The samples of a WebDataset shard: its images, and what the files beside them say.

Files of a sample share its key, the path up to the first dot of the file's name: beside
`dogs/7.jpg` lie `dogs/7.json` and `dogs/7.txt`.
"""

from pathlib import Path, PurePosixPath

from clipheads.bundle.disk.record_files import parse_json
from clipheads.bundle.errors import GalleryError
from clipheads.bundle.gallery import SkippedImage
from clipheads.gallery.found import Details, Found, ImageFile
from clipheads.gallery.image_ids import SUFFIXES
from clipheads.gallery.manifests import FIELDS, details_of
from clipheads.gallery.shown_names import shown
from clipheads.gallery.tar_shards import ShardMember, member_bytes, shard_members

LONGEST_BESIDE = 2**20
"""Bytes of the text or JSON beside an image."""

OTHER_NAMES = {"title": "caption", "licence": "license", "source": "url"}
"""What WebDatasets call the columns of a manifest."""


def read_shard(shard: Path, prefix: str) -> Found:
    """List the images of a tar file in its own order, and what the files beside them say.

    Of two members with one name the later counts, as when a tar file is unpacked.

    Args:
        shard: an uncompressed tar file.
        prefix: put before the names of its members.

    Raises:
        GalleryError: if the shard, or a JSON file beside an image, cannot be read.
    """
    images: dict[str, ImageFile] = {}
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
            links.append(SkippedImage(file=shown(name), reason=reason))
        elif suffix in {".json", ".txt"} and plain:
            beside.append(member)
    samples: dict[str, list[str]] = {}
    for name in images:
        samples.setdefault(_key(name.removeprefix(prefix)), []).append(name)
    details: Details = {}
    for member in beside:
        names = samples.get(_key(member.name.removeprefix("./")), [])
        fields = _read_beside(member) if names else {}
        for name in names:
            details.setdefault(name, {}).update(fields)
    return Found(images, details, links)


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.split(".", 1)[0]


def _read_beside(member: ShardMember) -> dict[str, str]:
    text = member_bytes(member, LONGEST_BESIDE).decode("utf-8", "replace").strip()
    if member.name.lower().endswith(".txt"):
        return {"title": " ".join(text.split())}
    row = parse_json(text, str(member), error=GalleryError)
    if not isinstance(row, dict):
        raise GalleryError(f"{member}: not a JSON object")
    values = {field: row.get(field) or row.get(OTHER_NAMES.get(field, "")) for field in FIELDS}
    return details_of({field: str(value) for field, value in values.items() if value})
