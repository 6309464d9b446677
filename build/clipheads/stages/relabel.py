"""Label the heads of a finished bundle anew; no model, image or GPU is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from safetensors.torch import load_file

from clipheads.browser.search_files import FOLDER, PROPERTY, RECORD, replace_properties
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import (
    LIST,
    Made,
    damaged,
    made_in,
    publish,
    read_list,
    scratch_folder,
    settle,
)
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.record import Record
from clipheads.labels.labeller import HeadLabels, Labeller
from clipheads.stages.earlier_bundles import adopt_earlier
from clipheads.stages.engine import Outcome
from clipheads.stages.records import excess_of, head_summary, property_records, scores_of
from clipheads.texts.pools import Description

MODEL = "model.json"
SEARCH = f"{FOLDER}/{RECORD}"

Kind = TypeVar("Kind", bound=Record)


def bundle_folders(atlas: Path, models: list[str]) -> list[Path]:
    """Return the folders of the named models in an atlas, or of all of them.

    Raises:
        AtlasError: if one is not there, or none at all.
    """
    _finish_interrupted(atlas)
    built = {path.parent.name: path.parent for path in sorted(atlas.glob("*/model.json"))}
    if not built:
        raise AtlasError(f"{atlas}: no finished bundle there; run `head-atlas build` first")
    for model in models:
        if model not in built:
            raise AtlasError(f"{atlas}: no bundle of {model!r}; there are {', '.join(built)}")
    return [built[model] for model in models] if models else list(built.values())


def _finish_interrupted(atlas: Path) -> None:
    """Let the bundles of an atlas be whole where a run was interrupted while it replaced files."""
    waiting = [path.parent for path in sorted(atlas.glob(f"*/{LIST}"))]
    if waiting:
        with locked(atlas):
            for folder in waiting:
                adopt_earlier(folder)
                settle(folder)


def head_descriptions(folder: Path) -> dict[str, list[Description]]:
    """Return the TEXTSPAN descriptions of each head of a bundle, in order.

    Raises:
        AtlasError: if a record of the bundle cannot be read.
    """
    return _descriptions(_heads(folder))


def relabel(folder: Path, labeller: Labeller) -> Outcome:
    """Replace labels, matches, scores and properties of the bundle in `folder`.

    A head about which the labeller could not find out keeps the label that it has; its reason
    then says why.

    All files change at once: a run that dies leaves the old labels, or new ones that the next
    run finishes.

    Raises:
        AtlasError: if a file of the bundle cannot be read, another run is at work in the atlas, or
            by the labeller; the bundle is then what it was.
    """
    with locked(folder.parent):
        adopt_earlier(folder)
        settle(folder)
        model = _read(folder / MODEL, ModelRecord)
        manifest = _read(folder.parent / "gallery" / "manifest.json", GalleryManifest)
        if manifest.sha256 != model.gallery_sha256:
            raise AtlasError(f"{folder}: built over another gallery; build it again over this one")
        before = _heads(folder)
        named = labeller.label_heads(_descriptions(before), folder)
        with scratch_folder(folder, "label") as scratch:
            after = [_relabelled(head, named) for head in before]
            _write_labels(scratch, folder, model, manifest, after, named)
            new = made_in(scratch, None).files
            if not damaged(folder, Made(key=None, files=new)):
                return "unchanged"
            publish(folder, scratch, _changes(folder, new), seals=[MODEL, SEARCH])
    return "built"


def _write_labels(
    scratch: Path,
    folder: Path,
    model: ModelRecord,
    manifest: GalleryManifest,
    heads: Sequence[HeadRecord],
    named: HeadLabels,
) -> None:
    """Write all files that depend on labels, as a build with this labeller would."""
    arrays = load_file(folder / "coordinates.safetensors")
    basis = load_file(folder / "basis.safetensors")["basis"]
    properties = property_records(
        [head.label for head in heads],
        [(head.layer, head.head) for head in heads],
        [image.id for image in manifest.images],
        basis=basis,
        coordinates=arrays["coordinates"],
        excess=excess_of(arrays["shares"]),
    )
    (scratch / "heads").mkdir()
    for head in heads:
        _write(scratch / "heads" / f"{head.id}.json", head)
    _write(
        scratch / MODEL,
        model.model_copy(
            update={
                "labeller": named.labeller,
                "scores": scores_of(heads, model.architecture.layers),
                "heads": [head_summary(head) for head in heads],
                "properties": properties,
            }
        ),
    )
    replace_properties(scratch, folder, properties, basis, arrays["coordinates"])


def _changes(folder: Path, new: dict[str, str]) -> dict[str, Made]:
    """What the stages of the bundle that depend on labels have made, with the `new` files.

    They have no key: a build with another labeller must not take them for its own.
    """
    made = read_list(folder).made
    before = {path: sha for stage in made.values() for path, sha in stage.files.items()}
    records = {path: sha for path, sha in new.items() if not path.startswith(f"{FOLDER}/")}
    if "images.json" in before:
        records["images.json"] = before["images.json"]
    changes = {"records": Made(key=None, files=records)}
    if SEARCH in new:
        kept = {
            path: sha
            for path, sha in (made["search"].files if "search" in made else {}).items()
            if not path.startswith(f"{FOLDER}/{PROPERTY}")
        }
        search = {path: sha for path, sha in new.items() if path not in records}
        changes["search"] = Made(key=None, files=kept | search)
    return changes


def _relabelled(head: HeadRecord, named: HeadLabels) -> HeadRecord:
    why = named.unanswered.get(head.id)
    if why is not None and head.label.text is not None:
        reason = f"Kept from the labels before: {why}"
        return head.model_copy(update={"label": head.label.model_copy(update={"reason": reason})})
    descriptions = [
        one.model_copy(update={"matches_label": matching})
        for one, matching in zip(head.descriptions, named.matching[head.id], strict=True)
    ]
    return head.model_copy(update={"label": named.labels[head.id], "descriptions": descriptions})


def _heads(folder: Path) -> list[HeadRecord]:
    model = _read(folder / MODEL, ModelRecord)
    return [_read(folder / "heads" / f"{head.id}.json", HeadRecord) for head in model.heads]


def _descriptions(heads: Sequence[HeadRecord]) -> dict[str, list[Description]]:
    return {
        head.id: [Description(one.text, one.property) for one in head.descriptions]
        for head in heads
    }


def _read(file: Path, kind: type[Kind]) -> Kind:
    return read_record(file, kind, remedy="run `head-atlas build` again")


def _write(file: Path, record: Record) -> None:
    file.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
