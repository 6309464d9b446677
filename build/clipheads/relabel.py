"""Label the heads of a finished bundle anew; no model, image or GPU is needed."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from safetensors.torch import load_file

from clipheads.bundle import GalleryManifest, HeadRecord, ModelRecord, Record
from clipheads.descriptions import Description
from clipheads.errors import AtlasError
from clipheads.export_search import replace_properties
from clipheads.labels import NamedHeads, NameHeads
from clipheads.records import excess_of, head_summary, property_records, scores_of
from clipheads.stages import Outcome, forget_stage, replacing

Kind = TypeVar("Kind", bound=Record)


def bundle_folders(atlas: Path, models: list[str]) -> list[Path]:
    """Return the folders of the named models in an atlas, or of all of them.

    Raises:
        AtlasError: if one is not there, or none at all.
    """
    built = {path.parent.name: path.parent for path in sorted(atlas.glob("*/model.json"))}
    if not built:
        raise AtlasError(f"{atlas}: no finished bundle there; run `head-atlas build` first")
    for model in models:
        if model not in built:
            raise AtlasError(f"{atlas}: no bundle of {model!r}; there are {', '.join(built)}")
    return [built[model] for model in models] if models else list(built.values())


def head_descriptions(folder: Path) -> dict[str, list[Description]]:
    """Return the TEXTSPAN descriptions of each head of a bundle, in order.

    Raises:
        AtlasError: if a record of the bundle cannot be read.
    """
    return {
        head.id: [Description(one.text, one.property) for one in head.descriptions]
        for head in _heads(folder)
    }


def relabel(folder: Path, name_heads: NameHeads) -> Outcome:
    """Replace labels, matches, scores and properties of the bundle in `folder`.

    A head about which the labeller could not find out keeps the label that it has; its reason
    then says why.

    Raises:
        AtlasError: if a file of the bundle cannot be read, or by the labeller; the bundle
            is then what it was.
    """
    model = _read(folder / "model.json", ModelRecord)
    manifest = _read(folder.parent / "gallery" / "manifest.json", GalleryManifest)
    if manifest.sha256 != model.gallery_sha256:
        raise AtlasError(f"{folder}: built over another gallery; build it again over this one")
    before = _heads(folder)
    named = name_heads(
        {
            head.id: [Description(one.text, one.property) for one in head.descriptions]
            for head in before
        },
        folder,
    )
    after = [_relabelled(head, named) for head in before]
    if after == before and named.labeller == model.labeller:
        return "unchanged"
    arrays = load_file(folder / "coordinates.safetensors")
    basis = load_file(folder / "basis.safetensors")["basis"]
    relabelled = model.model_copy(
        update={
            "labeller": named.labeller,
            "scores": scores_of(after, model.architecture.layers),
            "heads": [head_summary(head) for head in after],
            "properties": property_records(
                [head.label for head in after],
                [(head.layer, head.head) for head in after],
                [image.id for image in manifest.images],
                basis=basis,
                coordinates=arrays["coordinates"],
                excess=excess_of(arrays["shares"]),
            ),
        }
    )
    # A build with another labeller must not take these records for its own.
    forget_stage(folder, "records")
    forget_stage(folder, "search")
    replace_properties(folder, relabelled.properties, basis, arrays["coordinates"])
    with replacing(folder / "model.json") as model_file, replacing(folder / "heads") as heads:
        heads.mkdir()
        for head in after:
            (heads / f"{head.id}.json").write_text(
                head.model_dump_json(indent=1) + "\n", encoding="utf-8"
            )
        model_file.write_text(relabelled.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return "built"


def _relabelled(head: HeadRecord, named: NamedHeads) -> HeadRecord:
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
    model = _read(folder / "model.json", ModelRecord)
    return [_read(folder / "heads" / f"{head.id}.json", HeadRecord) for head in model.heads]


def _read(file: Path, kind: type[Kind]) -> Kind:
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise AtlasError(f"{file}: cannot be read; run `head-atlas build` again") from error
