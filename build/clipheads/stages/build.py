"""Build the bundle of one model over one gallery: read the inputs, then run the stages of ATLAS.

Each stage is skipped when its inputs are unchanged, and the long ones resume where they
were interrupted. What a stage writes appears in the bundle when all of it is whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipheads.browser.encoders import ensure_exportable
from clipheads.bundle.choices import BuiltLayers, NumberFormat
from clipheads.bundle.disk.atomic_files import ensure_writable
from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import (
    discard,
    read_list,
    refuse_foreign,
    remove_scratch,
    settle,
)
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.gallery import GalleryManifest, SkippedImage
from clipheads.bundle.pool import PoolRecord, PoolText, TopicsRecord
from clipheads.bundle.progress import Progress, Silent
from clipheads.gallery.files import GalleryFile, gallery_title, list_gallery
from clipheads.labels.labeller import Labeller
from clipheads.model.load import load_model
from clipheads.model.names import claim_folder, folder_name, own_name, refuse_other_case
from clipheads.stages import inputs
from clipheads.stages.atlas import ATLAS
from clipheads.stages.checkpoint import checkpoint_record
from clipheads.stages.earlier_bundles import adopt_earlier
from clipheads.stages.encoders import image_encoder, text_encoder
from clipheads.stages.engine import Outcome, all_stages, run
from clipheads.stages.gallery import FOLDER, MANIFEST
from clipheads.stages.labels import labels_of_a_build
from clipheads.stages.profile import profile as profile_stage
from clipheads.stages.records import SCORED_LAYERS, head_file
from clipheads.stages.sampling import evenly_spread
from clipheads.stages.search import SEARCH
from clipheads.stages.store import Workspace
from clipheads.texts.pools import Description, read_contrasts, read_descriptions, read_words
from clipheads.texts.taxonomy import read_taxonomy

PROFILED_IMAGES = 256
"""Of so many images, evenly spread over the gallery, the profile is made."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did."""

    model: str
    images: int
    skipped: list[SkippedImage]
    stages: dict[str, Outcome]
    """Each stage of the build, in order."""
    folder: Path
    """Where the bundle lies."""


def build_model(
    name: str,
    *,
    gallery: Path,
    atlas: Path,
    called: str | None = None,
    checkpoint: Path | None = None,
    layers: BuiltLayers = "all",
    device: str = "auto",
    precision: NumberFormat = "fp32",
    descriptions: Path | None = None,
    topics: Path | None = None,
    contrasts: Path | None = None,
    profile: int = PROFILED_IMAGES,
    words: Path | None = None,
    labeller: Labeller | None = None,
    batch_size: int = 32,
    export_text_encoder: bool = False,
    export_image_encoder: bool = False,
    progress: Progress | None = None,
) -> BuildReport:
    """Build `atlas/gallery` and `atlas/<model>` as far as they are not built already.

    Args:
        name: `<open_clip name>_<pretrained tag>`, or `local-dir:PATH`.
        gallery: folder of images, manifest, or tar shards; see `list_gallery`.
        atlas: folder of bundles; made if missing.
        called: what the model is called in the atlas; by default its name, or its folder's.
        checkpoint: local weights for a model given by name.
        layers: whether heads of all layers get a page, or those of the last four.
        device: `auto`, or a device of torch.
        precision: of the vision transformer's products of matrices; its error is recorded.
        descriptions: pool of texts for TEXTSPAN; ours if None.
        topics: texts of the heat maps that every head gets; ours if None.
        contrasts: pairs of texts to be set against each other; ours if None.
        profile: images whose transforms show what moves a head; 0 leaves the profile out.
        words: words that are printed on them for it, with the texts that say them; ours if None.
        labeller: of the heads. If None, labels that `head-atlas label` gave are kept, and others
            are of the property that the descriptions of a head explain best.
        batch_size: images to hold on the device at once.
        export_text_encoder: whether the search page accepts any text.
        export_image_encoder: whether it accepts a visitor's own image.
        progress: notified of stages and steps.

    Raises:
        AtlasError: on input that cannot be used, in one line.
    """
    progress = progress or Silent()
    if called is not None:
        called = own_name(called)
    files, absent = list_gallery(gallery, exclude=atlas)
    pool_file = descriptions or data_file("descriptions", "general.csv")
    pool = _rows(read_descriptions(pool_file, progress.note))
    topic_texts = _rows(read_descriptions(topics or data_file("topics.csv"), progress.note))
    contrast_texts = read_contrasts(contrasts or data_file("contrasts.csv"))
    printed = read_words(words or data_file("words.csv"))
    parents = read_taxonomy(pool_file)
    ensure_writable(atlas)
    model = load_model(name, checkpoint=checkpoint, device=device, precision=precision)
    if called is not None:
        model = replace(model, name=called)
    ensure_exportable(model, text=export_text_encoder, image=export_image_encoder)
    folder = atlas / folder_name(model.name)
    _refuse_own_files(files, [atlas / FOLDER, folder])
    depth = model.architecture.layers
    first = max(0, depth - SCORED_LAYERS) if layers == "last4" else 0
    facts = checkpoint_record(model, folder.name, range(first, depth))
    wanted = {profile_stage: profile > 0} | {
        text_encoder: export_text_encoder,
        image_encoder: export_image_encoder,
    }

    def shown() -> list[GalleryFile]:
        ids = {image.id for image in _manifest(atlas).images}
        return [file for file in files if file.id in ids]

    workspace = Workspace(
        atlas,
        folder,
        {
            inputs.GALLERY: lambda: inputs.Gallery(gallery_title(gallery), files, absent),
            inputs.IMAGES: shown,
            inputs.MODEL: lambda: model,
            inputs.FACTS: lambda: facts,
            inputs.HEADS: lambda: facts.heads,
            inputs.POOL_GIVEN: lambda: PoolRecord(name=pool_file.stem, texts=pool, parents=parents),
            inputs.POOL_TEXTS: lambda: [row.text for row in pool],
            inputs.TOPICS_GIVEN: lambda: TopicsRecord(topics=topic_texts, contrasts=contrast_texts),
            inputs.PROFILED: lambda: evenly_spread(len(_manifest(atlas).images), profile),
            inputs.WORDS: lambda: printed,
            inputs.LABELS_GIVEN: lambda: labels_of_a_build(labeller, folder, progress.note),
        },
        progress=progress,
        without=frozenset(stage.name for stage in wanted if not wanted[stage]),
        batch_size=batch_size,
    )
    with locked(atlas):
        refuse_other_case(folder)
        ensure_writable(folder)
        pictures = [f"{FOLDER}/{file.id}.webp" for file in files]
        _open_folder(atlas, [MANIFEST.path, *pictures])
        _open_folder(folder, [*_fixed_files(workspace), *map(head_file, facts.heads)])
        claim_folder(folder, name, model.weights.sha256)
        for encoder in (text_encoder, image_encoder):
            if not wanted[encoder]:
                # An encoder that is not wanted any more may be hundreds of megabytes.
                discard(folder, encoder.name, seals=[SEARCH.path])
        outcomes = run(ATLAS, workspace)
        remove_scratch(atlas)
        remove_scratch(folder)
    manifest = _manifest(atlas)
    _note_stale(atlas, manifest.sha256, progress)
    return BuildReport(folder.name, len(manifest.images), manifest.skipped, outcomes, folder)


def _rows(descriptions: Sequence[Description]) -> list[PoolText]:
    return [PoolText(text=row.text, property=row.property) for row in descriptions]


def _manifest(atlas: Path) -> GalleryManifest:
    path = atlas / MANIFEST.path
    return read_record(path, GalleryManifest, remedy=f"remove the folder {path.parent}")


def _refuse_own_files(files: Sequence[GalleryFile], folders: Sequence[Path]) -> None:
    """Make sure that no image lies where the build writes.

    Raises:
        AtlasError: naming the first that does.
    """
    for file in files:
        path = file.path if isinstance(file.path, Path) else file.path.shard
        for folder in folders:
            if path.resolve().is_relative_to(folder.resolve()):
                raise AtlasError(
                    f"{path}: an image of the gallery lies in {folder}, where the build writes; "
                    "choose another --atlas, or move the gallery"
                )


def _fixed_files(workspace: Workspace) -> list[str]:
    """The files of a bundle whose names are always the same."""
    return [
        file.path
        for stage in all_stages(ATLAS)
        if stage.name not in workspace.without
        for file in stage.writes
        if not (file.in_atlas or file.is_pattern)
    ]


def _open_folder(folder: Path, paths: Sequence[str]) -> None:
    """Finish what an interrupted run has left in `folder`, and make sure that it can be written.

    Raises:
        AtlasError: if a file of somebody else is at one of `paths`.
    """
    adopt_earlier(folder)
    settle(folder)
    refuse_foreign(folder, paths, read_list(folder).owned)


def _note_stale(atlas: Path, gallery_sha256: str, progress: Progress) -> None:
    for path in sorted(atlas.glob("*/model.json")):
        if gallery_sha256 not in path.read_text(encoding="utf-8", errors="replace"):
            progress.note(
                f"{path.parent.name} was built over another gallery: build it again over this"
                f" one, or remove {path.parent}"
            )
