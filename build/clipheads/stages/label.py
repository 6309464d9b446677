"""Label the heads of a finished bundle anew; no model, image or GPU is needed."""

from pathlib import Path

from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import LIST, read_list, settle
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import HeadLabel, LabelsRecord
from clipheads.bundle.progress import Silent
from clipheads.labels.changes import LabelChanges, label_changes
from clipheads.labels.labeller import Labeller
from clipheads.stages.atlas import ATLAS
from clipheads.stages.earlier_bundles import adopt_earlier
from clipheads.stages.engine import all_stages, run_after
from clipheads.stages.gallery import MANIFEST
from clipheads.stages.inputs import LABELS_GIVEN
from clipheads.stages.labels import LABELS, keep_unanswered, labels, labels_by
from clipheads.stages.profile import profile
from clipheads.stages.records import MODEL_RECORD
from clipheads.stages.store import REMEDY, Workspace


def bundle_folders(atlas: Path, models: list[str]) -> list[Path]:
    """Return the folders of the named models in an atlas, or of all of them.

    Raises:
        AtlasError: if one is missing, or all are.
    """
    _finish_interrupted(atlas)
    built = {path.parent.name: path.parent for path in sorted(atlas.glob("*/model.json"))}
    if not built:
        raise AtlasError(f"{atlas}: no finished bundle there; run `head-atlas build` first")
    for model in models:
        if model not in built:
            raise AtlasError(f"{atlas}: no bundle of {model!r}; there are {', '.join(built)}")
    return [built[model] for model in models] if models else list(built.values())


def relabel(folder: Path, labeller: Labeller) -> LabelChanges:
    """Replace the labels of the bundle in `folder`, and make again what depends on them.

    A head about which the labeller could not find out keeps the label that it has; its reason
    then says why.

    All files change at once: a run that dies leaves the old labels, or new ones that the next
    run finishes.

    Returns:
        How many heads have other labels than before.

    Raises:
        AtlasError: if a file of the bundle cannot be read, another run is using the atlas, or
            by the labeller; the bundle is then what it was.
    """
    atlas = folder.parent
    with locked(atlas):
        adopt_earlier(folder)
        settle(folder)
        model = read_record(folder / MODEL_RECORD.path, MODEL_RECORD.kind, remedy=REMEDY)
        manifest = read_record(atlas / MANIFEST.path, MANIFEST.kind, remedy=REMEDY)
        if manifest.sha256 != model.gallery_sha256:
            raise AtlasError(f"{folder}: built over another gallery; build it again over this one")
        former = _former_labels(folder)

        def given() -> LabelsRecord:
            return keep_unanswered(labels_by(labeller, folder, "label"), former)

        made = read_list(folder).made
        absent = {stage.name for stage in all_stages(ATLAS) if stage.optional} - made.keys()
        if model.profile is None:
            # A build leaves the file of one that is not wanted, in case that it is wanted again.
            absent |= {profile.name}
        workspace = Workspace(
            atlas,
            folder,
            {LABELS_GIVEN: given},
            progress=Silent(),
            without=frozenset(absent),
        )
        run_after(ATLAS, labels, workspace)
        after = workspace.value(LABELS_GIVEN)
    return label_changes(
        {head: found.label for head, found in former.items()},
        {head: found.label for head, found in after.heads.items()},
    )


def _former_labels(folder: Path) -> dict[str, HeadLabel]:
    """The labels that are about to be replaced; none if they are missing or cannot be read."""
    try:
        return read_record(folder / LABELS.path, LABELS.kind).heads
    except AtlasError:
        return {}


def _finish_interrupted(atlas: Path) -> None:
    """Let the bundles of an atlas be whole where a run was interrupted while it replaced files."""
    waiting = [path.parent for path in sorted(atlas.glob(f"*/{LIST}"))]
    if waiting:
        with locked(atlas):
            for folder in waiting:
                adopt_earlier(folder)
                settle(folder)
