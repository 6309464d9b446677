"""Build the bundle of one model over one gallery, stage by stage.

    gallery ─► contributions ─┬─► projections
                              ├─► neighbours ───────────────┐
               words ─────────┼─► profile ──────────────────┤
               descriptions ──┴─► TEXTSPAN ─┬─► heat maps ──┼─► records
               topics ──────────────────────┤               │
                                            └─► labeller ───┴─► search ◄── encoders

Each stage is skipped when its inputs are unchanged, and the long ones resume where they
were interrupted. What a stage writes appears in the bundle when all of it is whole.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.encoders import (
    ensure_exportable,
    export_image_encoder,
    export_text_encoder,
    preprocessing_facts,
    tokenizer_facts,
)
from clipheads.browser.projections import export_projections, save_tensors
from clipheads.browser.search_files import (
    FOLDER,
    RECORD,
    Encoder,
    encoder_file,
    write_search,
)
from clipheads.bundle.choices import BuiltLayers, NumberFormat
from clipheads.bundle.disk.atomic_files import ensure_writable
from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.hashing import sha256_json
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
from clipheads.bundle.model import ModelRecord, PropertyRecord, Term
from clipheads.bundle.names import head_id
from clipheads.bundle.pool import PoolRecord, PoolText
from clipheads.bundle.profile import ProfileRecord
from clipheads.bundle.progress import Progress, Silent
from clipheads.bundle.record import Record
from clipheads.gallery.files import GalleryFile, gallery_title, list_gallery
from clipheads.gallery.pictures import write_gallery
from clipheads.gallery.transforms import PRINTED, all_transforms, word_of
from clipheads.labels.explained import EXPLAINED
from clipheads.labels.labeller import HeadLabels, Labeller
from clipheads.maths.decomposition import head_basis, precision_error
from clipheads.maths.heat_maps import draw_maps
from clipheads.maths.moments import TermMoments, split_terms
from clipheads.maths.neighbours import image_neighbours
from clipheads.maths.profile import measure_effects, measure_reading
from clipheads.maths.text_span import Pick, textspan, yardsticks
from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model
from clipheads.model.names import claim_folder, folder_name, refuse_other_case
from clipheads.model.text import embed_texts, texts_cut
from clipheads.stages import settings
from clipheads.stages.earlier_bundles import adopt_earlier
from clipheads.stages.engine import Outcome, is_finished, remove_shards, resume_shards, run_stage
from clipheads.stages.gallery_pass import (
    batches,
    contribute,
    load_contributions,
    merge,
    patch_contributions,
    save_contributions,
    statistics,
    term_statistics,
)
from clipheads.stages.records import (
    NEIGHBOURS,
    Findings,
    contrast_records,
    head_record,
    head_summary,
    images_record,
    profile_record,
    property_records,
    scores_of,
)
from clipheads.stages.transform_pass import seen_pictures, transformed_coordinates
from clipheads.texts.pools import (
    Description,
    pool_record,
    read_contrasts,
    read_descriptions,
    read_words,
)
from clipheads.texts.taxonomy import read_taxonomy

GALLERY = "gallery"
MANIFEST = f"{GALLERY}/manifest.json"
MODEL = "model.json"
HEADS = "heads"
SEARCH = f"{FOLDER}/{RECORD}"
FILES = (
    MODEL,
    SEARCH,
    "images.json",
    "basis.safetensors",
    "coordinates.safetensors",
    "statistics.safetensors",
    "descriptions.safetensors",
    "topics.safetensors",
    "textspan.json",
    "neighbours.safetensors",
    "heatmaps.safetensors",
    "projections.onnx",
    "profile.json",
)
"""What a build writes of every model, beside the records of its heads."""

Item = TypeVar("Item")


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
    profile: int = settings.PROFILED_IMAGES,
    words: Path | None = None,
    labeller: Labeller = EXPLAINED,
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
        labeller: of the heads; by default the property that their descriptions explain best.
        batch_size: images to hold on the device at once.
        export_text_encoder: whether the search page can be asked any text.
        export_image_encoder: whether it can be asked by a visitor's own image.
        progress: told where the build is.

    Raises:
        AtlasError: on input that cannot be used, in one line.
    """
    progress = progress or Silent()
    files, absent = list_gallery(gallery, exclude=atlas)
    pool_file = descriptions or data_file("descriptions", "general.csv")
    pool = read_descriptions(pool_file, progress.note)
    topic_texts = read_descriptions(topics or data_file("topics.csv"), progress.note)
    contrast_texts = read_contrasts(contrasts or data_file("contrasts.csv"))
    printed = read_words(words or data_file("words.csv"))
    ensure_writable(atlas)
    model = load_model(name, checkpoint=checkpoint, device=device, precision=precision)
    if called is not None:
        model = replace(model, name=called)
    ensure_exportable(model, text=export_text_encoder, image=export_image_encoder)
    folder = atlas / folder_name(model.name)
    _refuse_own_files(files, [atlas / GALLERY, folder])
    architecture = model.architecture
    first = max(0, architecture.layers - settings.LAST_LAYERS) if layers == "last4" else 0
    heads = [
        (layer, head)
        for layer in range(first, architecture.layers)
        for head in range(architecture.heads)
    ]
    with locked(atlas):
        refuse_other_case(folder)
        ensure_writable(folder)
        _open_folder(atlas, [MANIFEST, *(f"{GALLERY}/{file.id}.webp" for file in files)])
        _open_folder(folder, [*FILES, *(_head_file(head) for head in heads)])
        claim_folder(folder, name, model.weights.sha256)
        manifest, gallery_outcome = _build_gallery(
            atlas, files, absent, gallery_title(gallery), progress
        )
        shown = {image.id for image in manifest.images}
        build = _Build(
            model=model,
            files=[file for file in files if file.id in shown],
            folder=folder,
            manifest=manifest,
            heads=heads,
            pool_name=pool_file.stem,
            pool=pool,
            parents=read_taxonomy(pool_file),
            topics=topic_texts,
            contrasts=contrast_texts,
            profiled=_spread(len(manifest.images), profile),
            words=printed,
            labeller=labeller,
            batch_size=batch_size,
            encoders={"text": export_text_encoder, "image": export_image_encoder},
            progress=progress,
        )
        outcomes: dict[str, Outcome] = {"gallery": gallery_outcome} | build.run()
        remove_scratch(atlas)
        remove_scratch(folder)
    _note_stale(atlas, manifest.sha256, progress)
    return BuildReport(folder.name, len(manifest.images), manifest.skipped, outcomes, folder)


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


def _open_folder(folder: Path, paths: Sequence[str]) -> None:
    """Finish what an interrupted run has left in `folder`, and make sure that it can be written.

    Raises:
        AtlasError: if a file of somebody else is at one of `paths`.
    """
    adopt_earlier(folder)
    settle(folder)
    refuse_foreign(folder, paths, read_list(folder).owned)


def _build_gallery(
    atlas: Path,
    files: list[GalleryFile],
    absent: list[SkippedImage],
    title: str,
    progress: Progress,
) -> tuple[GalleryManifest, Outcome]:
    def make(scratch: Path) -> None:
        with progress.stage("gallery", len(files), "images") as advance:
            write_gallery(files, scratch / GALLERY, title=title, skipped=absent, advance=advance)

    listed = [
        [file.id, file.file, file.sha256, file.title, file.credit, file.licence, file.source]
        for file in files
    ]
    skipped = [row.model_dump() for row in absent]
    key = sha256_json(settings.settings_of("gallery"), title, listed, skipped)
    outcome = run_stage(atlas, "gallery", key, make, seals=[MANIFEST], note=progress.note)
    return _read_manifest(atlas / MANIFEST), outcome


def _read_manifest(path: Path) -> GalleryManifest:
    return read_record(path, GalleryManifest, remedy=f"remove the folder {path.parent}")


def _note_stale(atlas: Path, gallery_sha256: str, progress: Progress) -> None:
    for path in sorted(atlas.glob("*/model.json")):
        if gallery_sha256 not in path.read_text(encoding="utf-8", errors="replace"):
            progress.note(
                f"{path.parent.name} was built over another gallery: build it again over this"
                f" one, or remove {path.parent}"
            )


@dataclass(frozen=True, eq=False)
class _Build:
    """One model over one gallery: its inputs, and the stages that turn them into files."""

    model: ClipModel
    files: list[GalleryFile]
    folder: Path
    manifest: GalleryManifest
    heads: list[tuple[int, int]]
    pool_name: str
    pool: list[Description]
    parents: dict[str, str]
    """The taxonomy of the pool's properties, see `read_taxonomy`."""
    topics: list[Description]
    contrasts: list[tuple[str, str]]
    profiled: list[int]
    """Places of the images of the profile; empty if none is wanted."""
    words: list[tuple[str, str]]
    """Words that are printed on them, and their texts."""
    labeller: Labeller
    batch_size: int
    encoders: dict[Encoder, bool]
    """Which are wanted for the search page."""
    progress: Progress

    def run(self) -> dict[str, Outcome]:
        """Run all stages that are needed; each key holds the keys of what it reads."""
        images = [[file.id, file.sha256] for file in self.files]
        fingerprint = _fingerprint(self.model)
        topics = [[row.text, row.property] for row in self.topics]

        contributions = self._key("contributions", fingerprint, images, self.heads)
        descriptions = self._key("descriptions", fingerprint, self.described)
        properties = self._key(
            "pool", [[row.text, row.property] for row in self.pool], self.parents
        )
        queries = self._key("topics", fingerprint, self.queried)
        picks = self._key("textspan", contributions, descriptions)
        neighbours = self._key("neighbours", contributions)
        profile = self._key("profile", contributions, self.profiled, self.words)
        maps = self._key("heat maps", picks, queries, topics, self.contrasts)
        projections = self._key("projections", contributions, descriptions)
        encoders = {
            "text": self._key("text encoder", contributions, descriptions),
            "image": self._key("image encoder", contributions),
        }
        outcomes = {
            "contributions": self._stage("contributions", contributions),
            "descriptions": self._stage("descriptions", descriptions),
            "pool": self._stage("pool", properties),
            "topics": self._stage("topics", queries),
            "textspan": self._stage("textspan", picks),
            "neighbours": self._stage("neighbours", neighbours),
            "heat maps": self._stage("heat maps", maps),
            "projections": self._stage("projections", projections),
        }
        if self.profiled:
            outcomes["profile"] = self._stage("profile", profile)
        for encoder, wanted in self.encoders.items():
            stage = f"{encoder} encoder"
            if wanted:
                outcomes[stage] = self._stage(stage, encoders[encoder], seals=[SEARCH])
            else:
                discard(self.folder, stage, seals=[SEARCH])
        # Last: whoever names the heads may be asked over a network and may fail.
        named = self.named
        labels = {head: label.text for head, label in named.labels.items()}
        search = self._key(
            "search",
            [projections, queries, topics, self.contrasts],
            [encoders[encoder] for encoder, wanted in self.encoders.items() if wanted],
            self.manifest.sha256,
            [[row.text, row.property] for row in self.pool],
            labels,
            self.folder.name,
        )
        records = self._key(
            "records",
            [picks, neighbours, maps, *([profile] if self.profiled else [])],
            self.manifest.sha256,
            pool_record(self.pool_name, self.pool).model_dump(),
            named.labeller.model_dump(),
            {head: label.model_dump() for head, label in named.labels.items()},
            named.matching,
            self.model.weights.model_dump(),
            self.folder.name,
            version("clip-head-atlas"),
        )
        # Where the labels change, no reader may meet a search of one and a model of the other.
        relabelled = not is_finished(self.folder, "records", records)
        seals = [SEARCH, MODEL] if relabelled else [SEARCH]
        return outcomes | {
            "search": self._stage("search", search, seals=seals),
            "records": self._stage("records", records),
        }

    def _key(self, stage: str, *inputs: object) -> str:
        return sha256_json(stage, settings.settings_of(stage), *inputs)

    def _stage(self, stage: str, key: str, *, seals: Sequence[str] = (MODEL,)) -> Outcome:
        make: dict[str, Callable[[Path], None]] = {
            "contributions": lambda scratch: self._contributions(key, scratch),
            "descriptions": lambda scratch: self._texts(
                "descriptions", self.described, key, scratch
            ),
            "pool": self._pool,
            "topics": lambda scratch: self._texts("topics", self.queried, key, scratch),
            "textspan": self._textspan,
            "neighbours": self._neighbours,
            "profile": lambda scratch: self._profile(key, scratch),
            "heat maps": lambda scratch: self._heat_maps(key, scratch),
            "projections": self._projections,
            "text encoder": self._text_encoder,
            "image encoder": self._image_encoder,
            "search": self._search,
            "records": self._records,
        }
        outcome = run_stage(
            self.folder, stage, key, make[stage], seals=seals, note=self.progress.note
        )
        remove_shards(self.folder, stage)
        return outcome

    @cached_property
    def described(self) -> list[str]:
        """The texts of the pool, in the order of the rows of `descriptions.safetensors`."""
        return [description.text for description in self.pool]

    @cached_property
    def queried(self) -> list[str]:
        """The texts of topics and contrasts, as the rows of `topics.safetensors`."""
        topics = [topic.text for topic in self.topics]
        return list(dict.fromkeys([*topics, *(text for pair in self.contrasts for text in pair)]))

    @cached_property
    def findings(self) -> Findings:
        """What the stages before the heat maps and the records have left on disk."""
        arrays = load_file(self.folder / "coordinates.safetensors")
        neighbours = load_file(self.folder / "neighbours.safetensors")
        picks = json.loads((self.folder / "textspan.json").read_bytes())
        return Findings(
            images=[file.id for file in self.files],
            heads=self.heads,
            basis=self._load("basis.safetensors", "basis"),
            coordinates=arrays["coordinates"],
            shares=arrays["shares"],
            embeddings=arrays["embeddings"],
            neighbours=neighbours["images"],
            cosines=neighbours["scores"],
            texts={text: row for row, text in enumerate([*self.described, *self.queried])},
            text_embeddings=torch.cat(
                [
                    self._load("descriptions.safetensors", "embeddings"),
                    self._load("topics.safetensors", "embeddings"),
                ]
            ),
            pool=self.pool,
            topics=self.topics,
            contrasts=self.contrasts,
            picks=[[Pick(**pick) for pick in picks[head_id(*head)]] for head in self.heads],
        )

    @cached_property
    def named(self) -> HeadLabels:
        """What the labeller says of the heads."""
        return self.labeller.label_heads(self.findings.described, self.folder)

    @cached_property
    def properties(self) -> list[PropertyRecord]:
        """The properties that the labels give."""
        return property_records(
            [self.named.labels[head_id(*head)] for head in self.heads],
            self.heads,
            self.findings.images,
            basis=self.findings.basis,
            coordinates=self.findings.coordinates,
            excess=self.findings.excess,
        )

    def _contributions(self, key: str, scratch: Path) -> None:
        paths = [file.path for file in self.files]
        parts = _split(paths, settings.SHARD_IMAGES)
        # Another release of torch may find another basis, to which kept shards do not belong.
        shards = sha256_json(key, torch.__version__)
        with self.progress.stage("contributions", len(paths), "images") as advance:
            made: set[int] = set()

            def make(index: int, path: Path) -> None:
                found = contribute(
                    self.model,
                    parts[index],
                    self.heads,
                    batch_size=self.batch_size,
                    advance=advance,
                )
                save_contributions(path, found)
                made.add(index)

            def every() -> Iterator[Path]:
                for index, path in resume_shards(
                    self.folder, "contributions", shards, len(parts), make
                ):
                    if index not in made:
                        advance(len(parts[index]))
                    yield path

            found = merge((load_contributions(path) for path in every()), len(paths))
        save_tensors(scratch / "basis.safetensors", {"basis": self._basis()})
        error = torch.tensor(self._precision_error())
        save_tensors(
            scratch / "statistics.safetensors", statistics(found) | {"precision_error": error}
        )
        save_tensors(
            scratch / "coordinates.safetensors",
            {
                "coordinates": found.coordinates,
                "shares": found.shares,
                "embeddings": found.embeddings,
            },
        )

    def _precision_error(self) -> float:
        if self.model.precision == "fp32":
            return 0.0
        paths = [file.path for file in self.files[: settings.PRECISION_IMAGES]]
        (pixels,) = batches(self.model, paths, settings.PRECISION_IMAGES)
        return precision_error(self.model, pixels)

    def _texts(self, stage: str, texts: list[str], key: str, scratch: Path) -> None:
        parts = _split(texts, settings.SHARD_TEXTS)
        if cut := texts_cut(self.model, texts):
            self.progress.note(
                f"{stage}: {len(cut)} of {len(texts)} texts are longer than {self.model.name} reads"
                f" and are cut, such as {cut[0][:60]!r}; texts that differ only later are one"
            )
        rows = []
        with self.progress.stage(stage, len(texts), "texts") as advance:

            def make(index: int, path: Path) -> None:
                save_tensors(path, {"embeddings": embed_texts(self.model, parts[index])})

            for index, path in resume_shards(self.folder, stage, key, len(parts), make):
                rows.append(load_file(path)["embeddings"])
                advance(len(parts[index]))
        save_tensors(scratch / f"{stage}.safetensors", {"embeddings": torch.cat(rows)})

    def _pool(self, scratch: Path) -> None:
        texts = [PoolText(text=row.text, property=row.property) for row in self.pool]
        _write_record(scratch / "pool.json", PoolRecord(texts=texts, parents=self.parents))

    def _textspan(self, scratch: Path) -> None:
        covariances = self._load("statistics.safetensors", "covariance")
        basis = self._load("basis.safetensors", "basis")
        pool = self._load("descriptions.safetensors", "embeddings").double()
        picks = {}
        with self.progress.stage("textspan", len(self.heads), "heads") as advance:
            for place, head in enumerate(self.heads):
                chosen = textspan(covariances[place], pool @ basis[place].double(), settings.PICKS)
                picks[head_id(*head)] = [asdict(pick) for pick in chosen]
                advance(1)
        text = json.dumps(picks, indent=1) + "\n"
        (scratch / "textspan.json").write_text(text, encoding="utf-8")

    def _neighbours(self, scratch: Path) -> None:
        coordinates = self._load("coordinates.safetensors", "coordinates")
        with self.progress.stage("neighbours", len(self.heads), "heads") as advance:
            places, cosines = image_neighbours(coordinates, NEIGHBOURS, advance)
        save_tensors(scratch / "neighbours.safetensors", {"images": places, "scores": cosines})

    def _profile(self, key: str, scratch: Path) -> None:
        files = [self.files[place].path for place in self.profiled]
        words = [word for word, _ in self.words]
        transforms = all_transforms(words)
        passes = [None, *(one.apply for one in transforms)]
        # Another release of torch may find another basis, to which kept shards do not belong.
        shards = sha256_json(key, torch.__version__)
        with self.progress.stage("profile", len(passes) * len(files), "images") as advance:
            made: set[int] = set()

            @cache
            def pictures() -> Tensor:
                return seen_pictures(self.model, files, batch_size=self.batch_size)

            def make(index: int, path: Path) -> None:
                coordinates = transformed_coordinates(
                    self.model,
                    pictures(),
                    self.heads,
                    passes[index],
                    batch_size=self.batch_size,
                    advance=advance,
                )
                save_tensors(path, {"coordinates": coordinates})
                made.add(index)

            paths = []
            for index, path in resume_shards(self.folder, "profile", shards, len(passes), make):
                if index not in made:
                    advance(len(files))
                paths.append(path)
            before, *after = paths

            def read(path: Path) -> Tensor:
                coordinates: Tensor = load_file(path)["coordinates"]
                return coordinates

            texts = embed_texts(self.model, [text for _, text in self.words])
            printed = after[[one.name for one in transforms].index(PRINTED)]
            record = profile_record(
                measure_effects(read(before), map(read, after)),
                measure_reading(
                    read(before),
                    read(printed),
                    torch.einsum("wd,hdr->whr", texts, self._basis()),
                    [word_of(words, seed) for seed in range(len(files))],
                ),
                heads=self.heads,
                transforms=transforms,
                words=words,
                images=len(files),
            )
        _write_record(scratch / "profile.json", record)

    def _heat_maps(self, key: str, scratch: Path) -> None:
        topics = list(self.findings.topic_requests)
        contrasts = [request for group in self.findings.contrast_requests for request in group]
        over = [request.image for request in topics] + [request.image for request in contrasts]
        images = sorted(set(over))
        parts = _split(images, settings.SHARD_MAPPED_IMAGES)
        texts = self.findings.text_embeddings
        # The bases of this very run, to which the contributions of the patches belong.
        basis = self._basis()
        grid = self.model.architecture.grid
        maps = torch.zeros(len(topics) + len(contrasts), *grid, dtype=torch.float16)
        with self.progress.stage("heat maps", len(images), "images") as advance:

            def patches(places: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
                paths = [self.files[place].path for place in places]
                tokens = patch_contributions(
                    self.model, paths, self.heads, batch_size=self.batch_size
                )
                return zip(places, tokens, strict=True)

            def make(index: int, path: Path) -> None:
                some = set(parts[index])
                drawn = draw_maps(
                    [request for request in topics if request.image in some],
                    [request for request in contrasts if request.image in some],
                    texts=texts,
                    basis=basis,
                    grid=grid,
                    patches=patches,
                )
                save_tensors(path, {"maps": drawn})

            for index, path in resume_shards(self.folder, "heat maps", key, len(parts), make):
                some = set(parts[index])
                places = [place for place, image in enumerate(over) if image in some]
                maps[places] = load_file(path)["maps"]
                advance(len(parts[index]))
        save_tensors(scratch / "heatmaps.safetensors", {"maps": maps})

    def _projections(self, scratch: Path) -> None:
        basis = self._load("basis.safetensors", "basis")
        with self.progress.stage("projections", 1, "files") as advance:
            export_projections(
                basis, self._coordinates(), self._described_rows(), scratch / "projections.onnx"
            )
            advance(1)

    def _text_encoder(self, scratch: Path) -> None:
        sample = _spread(len(self.described), settings.FIDELITY_TEXTS)
        with self._encoder("text", scratch) as path:
            export_text_encoder(
                self.model,
                self.model.tokenize([self.described[row] for row in sample]),
                self._described_rows()[sample],
                self._load("basis.safetensors", "basis"),
                self._coordinates(),
                path,
            )

    def _image_encoder(self, scratch: Path) -> None:
        sample = _spread(len(self.files), settings.FIDELITY_IMAGES)
        images = [self.files[place].path for place in sample]
        with self._encoder("image", scratch) as path:
            export_image_encoder(
                self.model,
                sorted({layer for layer, _ in self.heads}),
                self._load("basis.safetensors", "basis"),
                torch.cat(list(batches(self.model, images, self.batch_size))),
                self._coordinates(),
                path,
            )

    @contextmanager
    def _encoder(self, encoder: Encoder, scratch: Path) -> Iterator[Path]:
        path = scratch / FOLDER / encoder_file(encoder)
        path.parent.mkdir()
        with self.progress.stage(f"{encoder} encoder", 1, "files") as advance:
            yield path
            advance(1)

    def _search(self, scratch: Path) -> None:
        with self.progress.stage("search", 1, "folders") as advance:
            write_search(
                scratch,
                self.folder,
                self.findings,
                gallery_sha256=self.manifest.sha256,
                properties=self.properties,
                grid=self.model.architecture.grid,
                preprocessing=preprocessing_facts(self.model),
                tokenizer=tokenizer_facts(self.model),
                encoders=[encoder for encoder, wanted in self.encoders.items() if wanted],
            )
            advance(1)

    def _records(self, scratch: Path) -> None:
        tensors = load_file(self.folder / "statistics.safetensors")
        terms = term_statistics(tensors)
        architecture = self.model.architecture
        shape = architecture.layers, architecture.heads
        _, mean_shares, _ = split_terms(terms.mean_share, *shape)
        _, variance_shares, _ = split_terms(terms.variance_share, *shape)
        described = self._described_rows()
        profile = self._read_profile() if self.profiled else None
        heads = []
        (scratch / HEADS).mkdir()
        with self.progress.stage("records", len(self.heads), "heads") as advance:
            for place, head in enumerate(self.heads):
                record = head_record(
                    self.findings,
                    place,
                    self.named,
                    mean_share=float(mean_shares[head]),
                    variance_share=float(variance_shares[head]),
                    yardsticks=yardsticks(
                        tensors["covariance"][place],
                        described @ self.findings.basis[place],
                        len(self.findings.picks[place]),
                    ),
                    profile=profile.heads[head_id(*head)] if profile else None,
                )
                _write_record(scratch / _head_file(head), record)
                heads.append(record)
                advance(1)
        _write_record(scratch / "images.json", images_record(self.findings))
        model = ModelRecord(
            name=self.folder.name,
            architecture=architecture,
            weights=self.model.weights,
            gallery_sha256=self.manifest.sha256,
            gallery_images=len(self.manifest.images),
            pool=pool_record(self.pool_name, self.pool),
            layers=sorted({layer for layer, _ in self.heads}),
            labeller=self.named.labeller,
            scores=scores_of(heads, architecture.layers),
            heads=[head_summary(head) for head in heads],
            terms=_terms(terms, *shape),
            reconstruction_error=float(tensors["reconstruction_error"]),
            precision=self.model.precision,
            precision_error=float(tensors["precision_error"]),
            properties=self.properties,
            contrasts=contrast_records(self.findings),
            profile=profile.model if profile else None,
            version=version("clip-head-atlas"),
        )
        _write_record(scratch / MODEL, model)

    def _read_profile(self) -> ProfileRecord:
        return ProfileRecord.model_validate_json((self.folder / "profile.json").read_bytes())

    def _coordinates(self) -> Tensor:
        return self._load("coordinates.safetensors", "coordinates")

    def _described_rows(self) -> Tensor:
        return self._load("descriptions.safetensors", "embeddings")

    def _basis(self) -> Tensor:
        layers, heads = zip(*self.heads, strict=True)
        return head_basis(self.model)[list(layers), list(heads)].cpu()

    def _load(self, file: str, name: str) -> Tensor:
        with safe_open(self.folder / file, framework="pt") as tensors:
            tensor: Tensor = tensors.get_tensor(name)
            return tensor


def _head_file(head: tuple[int, int]) -> str:
    return f"{HEADS}/{head_id(*head)}.json"


def _split(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` places of `count`, evenly spread."""
    some = min(count, wanted)
    return [index * count // some for index in range(some)]


def _fingerprint(model: ClipModel) -> str:
    """Hash what a model computes with: weights, architecture, preprocessing, tokenizer.

    The last two are tried out on a fixed picture and text, for what they do is not in the
    weights and their code cannot be compared.
    """
    ramp = np.arange(300 * 200 * 3, dtype=np.uint32).reshape(300, 200, 3) * 2654435761 >> 24
    pixels = model.preprocess(Image.fromarray(ramp.astype(np.uint8)))
    tokens = model.tokenize(["A photo of the quick brown fox, 12 o'clock"])
    return sha256_json(
        model.weights.sha256,
        model.architecture.model_dump(mode="json"),
        hashlib.sha256(pixels.numpy().tobytes()).hexdigest(),
        tokens.tolist(),
        model.precision,
    )


def _terms(moments: TermMoments, layers: int, heads: int) -> list[Term]:
    """List the 2L + 1 terms of the residual stream in the order in which they are added."""
    shares, variances = (
        split_terms(values, layers, heads)
        for values in (moments.mean_share, moments.variance_share)
    )
    terms = [_term("input", None, shares[0], variances[0])]
    for layer in range(layers):
        terms += [
            _term("attention", layer, shares[1][layer].sum(), variances[1][layer].sum()),
            _term("mlp", layer, shares[2][layer], variances[2][layer]),
        ]
    return terms


def _term(
    kind: Literal["input", "attention", "mlp"], layer: int | None, mean: Tensor, variance: Tensor
) -> Term:
    return Term(
        kind=kind,
        layer=layer,
        mean_share=round(float(mean), 6),
        variance_share=round(float(variance), 6),
    )


def _write_record(path: Path, record: Record) -> None:
    path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
