"""The stage `labels`: what each head is called, and which of its descriptions match that.

A build writes the labels of its labeller. `head-atlas label` puts others in their place, which a
later build keeps, unless it names a labeller or the descriptions that they are about have changed.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.disk.owned_files import read_list
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.labels import HeadLabel, Label, LabelsRecord
from clipheads.labels.explained import label_heads_by_explained
from clipheads.labels.labeller import Labeller
from clipheads.stages.contributions import BASIS, STATISTICS
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.inputs import LABELS_GIVEN
from clipheads.stages.store import REMEDY, RecordFile, Store
from clipheads.stages.text_span import TEXTSPAN
from clipheads.stages.texts import DESCRIPTIONS, POOL
from clipheads.texts.pools import Description
from clipheads.texts.taxonomy import lineage

LABELS = RecordFile("labels.json", LabelsRecord)

DEFAULT_LABELLER = label_heads_by_explained


def head_descriptions(folder: Path) -> dict[str, list[Description]]:
    """Return the TEXTSPAN descriptions of each head of the bundle in `folder`, in order.

    Raises:
        AtlasError: if a record of the bundle cannot be read.
    """
    texts = read_record(folder / POOL.path, POOL.kind, remedy=REMEDY).texts
    picks = read_record(folder / TEXTSPAN.path, TEXTSPAN.kind, remedy=REMEDY).root
    return {
        head: [Description(texts[pick.index].text, texts[pick.index].property) for pick in chosen]
        for head, chosen in picks.items()
    }


def labels_by(labeller: Labeller, folder: Path, made_by: Literal["build", "label"]) -> LabelsRecord:
    """Ask a labeller about the heads of the bundle in `folder`.

    Raises:
        AtlasError: if a file of the bundle cannot be read, or by the labeller.
    """
    descriptions = head_descriptions(folder)
    found = labeller(descriptions, folder)
    hashes = description_hashes(folder)
    return LabelsRecord(
        made_by=made_by,
        labeller=found.labeller,
        heads={
            head: HeadLabel(
                label=found.labels[head], matches=found.matching[head], descriptions=hashes[head]
            )
            for head in descriptions
        },
        unanswered={head: found.unanswered[head] for head in sorted(found.unanswered)},
    )


def labels_of_a_build(
    labeller: Labeller | None, folder: Path, note: Callable[[str], None]
) -> LabelsRecord:
    """Return the labels that a build gives: of `labeller`, or else of `label`, or the default ones.

    Args:
        labeller: the one that the user names, if any.
        folder: of the bundle, whose descriptions are finished.
        note: receives a message if labels of `label` cannot be kept.
    """
    if labeller is not None:
        return labels_by(labeller, folder, "build")
    former = _former_labels(folder, note)
    if former is not None and former.made_by == "label":
        current = description_hashes(folder)
        kept = {
            head: former.heads[head]
            for head, descriptions in current.items()
            if head in former.heads and former.heads[head].descriptions == descriptions
        }
        if kept:
            return _with_unlabelled(former, kept, current, folder, note)
        note(
            f"{folder.name}: its heads have other descriptions than those that `head-atlas label`"
            " labelled, so the labels are made anew by the default labeller; run it again for"
            " other labels"
        )
    return labels_by(DEFAULT_LABELLER, folder, "build")


def _with_unlabelled(
    former: LabelsRecord,
    kept: Mapping[str, HeadLabel],
    current: Mapping[str, str],
    folder: Path,
    note: Callable[[str], None],
) -> LabelsRecord:
    """The labels that are kept, and none for the heads whose descriptions have changed.

    Those are not labelled by another labeller: the record names one for all.
    """
    picks = read_record(folder / TEXTSPAN.path, TEXTSPAN.kind, remedy=REMEDY).root
    outdated = [head for head in current if head not in kept]
    if outdated:
        note(
            f"{folder.name}: {len(outdated)} of {len(current)} heads have other descriptions than"
            f" those that `head-atlas label` labelled, such as {outdated[0]}, and have no label"
            " now; run it again, or name a labeller"
        )
    absent = Label(
        text=None,
        confidence=None,
        reason="The descriptions of this head have changed since the heads were labelled.",
    )
    heads = {
        head: kept.get(head)
        or HeadLabel(label=absent, matches=[False] * len(picks[head]), descriptions=hashed)
        for head, hashed in current.items()
    }
    unanswered = {head: why for head, why in former.unanswered.items() if head in kept}
    return former.model_copy(update={"heads": heads, "unanswered": unanswered})


def keep_unanswered(labels: LabelsRecord, former: Mapping[str, HeadLabel]) -> LabelsRecord:
    """Let a head about which the labeller could not find out keep the label that it had.

    Its reason then says why.
    """
    kept = {}
    for head, why in labels.unanswered.items():
        before = former.get(head)
        if before is not None and before.label.text is not None:
            reason = f"Kept from the labels before: {why}"
            label = before.label.model_copy(update={"reason": reason})
            kept[head] = before.model_copy(update={"label": label})
    return labels.model_copy(update={"heads": labels.heads | kept})


def _former_labels(folder: Path, note: Callable[[str], None]) -> LabelsRecord | None:
    """The labels of the bundle, whoever wrote them last, if they can be read.

    Raises:
        AtlasError: if they cannot: those of `head-atlas label` could not be made again.
    """
    path = folder / LABELS.path
    if path.exists():
        return read_record(path, LABELS.kind, remedy="restore it, or name a labeller")
    if labels.name in read_list(folder).made:
        note(f"{path}: missing; made anew by the default labeller")
    return None


def description_hashes(folder: Path) -> dict[str, str]:
    """For each head the hash of all that matches of its descriptions depend on.

    That is their texts, their properties, and the properties that are wider than those.
    """
    parents = read_record(folder / POOL.path, POOL.kind, remedy=REMEDY).parents
    return {
        head: sha256_json(
            [
                [row.text, row.property, lineage(row.property, parents) if row.property else []]
                for row in own
            ]
        )
        for head, own in head_descriptions(folder).items()
    }


def _make(store: Store) -> None:
    store.write_record(LABELS.path, store.get(LABELS_GIVEN))


def _of_heads(store: Store) -> Iterator[Fields]:
    for head in store.record(LABELS).heads.values():
        yield {"label": head.label}


def _of_model(store: Store) -> Fields:
    return {"labeller": store.record(LABELS).labeller}


labels = Stage(
    "labels",
    _make,
    # The labels are given, and stand in the key as they are; all else is what labellers open.
    reads=(LABELS_GIVEN, TEXTSPAN, POOL, DESCRIPTIONS, BASIS, STATISTICS),
    writes=(LABELS,),
    settings=("bundle.record.FORMAT",),
    part=Part(reads=(LABELS,), heads=_of_heads, model=_of_model),
)
