"""`head-atlas build`: the bundles of models over a gallery of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from clipheads.bundle.choices import BuiltLayers, NumberFormat
from clipheads.bundle.errors import AtlasError
from headatlas.commands.console import out, progress_for
from headatlas.commands.labelling import (
    ANSWERS,
    AnswersOption,
    BuildLabellerOption,
    ConcurrencyOption,
    LabelModelOption,
    LabelServerOption,
    LabelsOption,
    choose_labeller,
)
from headatlas.commands.options import ATLAS, AtlasOption, DeviceOption
from headatlas.commands.plain_help import FLAG, one_of
from headatlas.commands.site import advise_site

if TYPE_CHECKING:
    from clipheads.bundle.gallery import SkippedImage

EXAMPLES = (
    "head-atlas build --model ViT-B-32_openai --gallery photos/",
    "head-atlas build --model ViT-B-32_openai --checkpoint B32.pt --gallery photos/",
    "head-atlas build --paper --layers last4 --labeller openai --gallery photos/",
)

SKIPPED_LINES = 20
"""So many images that were skipped are named on the terminal."""


def images_to_profile(value: str) -> int:
    """Read `none` as 0, and a number of images as itself."""
    if value == "none":
        return 0
    if value.isascii() and value.isdecimal() and int(value) >= 2:
        return int(value)
    raise typer.BadParameter(f"{value!r} is neither none nor a number of images from 2 on")


def run(
    gallery: Annotated[
        Path,
        typer.Option(
            metavar="PATH", help="Folder of images, manifest (.csv, .jsonl), or tar shards."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="NAME_TAG as in open_clip, or local-dir:PATH; repeat it for several models.",
        ),
    ] = None,
    paper: Annotated[
        bool,
        typer.Option(
            "--paper", metavar=FLAG, help="All six models of the paper, one after the other."
        ),
    ] = False,
    called: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the model in the atlas; for one model."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Local weights instead of a download; for one model."),
    ] = None,
    layers: Annotated[
        BuiltLayers,
        typer.Option(metavar=one_of(get_args(BuiltLayers)), help="Layers whose heads get a page."),
    ] = "all",
    device: DeviceOption = "auto",
    precision: Annotated[
        NumberFormat,
        typer.Option(
            metavar=one_of(get_args(NumberFormat)),
            help="Number format of matrix products; the error that it causes is recorded.",
        ),
    ] = "fp32",
    descriptions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your own pool of descriptions: .csv (text,property) or .txt."
        ),
    ] = None,
    topics: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own texts for heat maps: .csv (text,property)."),
    ] = None,
    contrasts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own pairs of texts: .csv (first,second)."),
    ] = None,
    profile: Annotated[
        int,
        typer.Option(
            parser=images_to_profile,
            metavar="[none|N]",
            help="Images in the causal profile, which shows how transformations move each head.",
        ),
    ] = "256",  # type: ignore[assignment]  # as on a command line: it is parsed
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own words to print on images of the profile: .csv (word,text).",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Images in a batch.")] = 32,
    export_text_encoder: Annotated[
        bool,
        typer.Option(
            "--export-text-encoder", metavar=FLAG, help="Let visitors search for any text."
        ),
    ] = False,
    export_image_encoder: Annotated[
        bool,
        typer.Option(
            "--export-image-encoder",
            metavar=FLAG,
            help="Let visitors search with an image of their own.",
        ),
    ] = False,
    labeller: BuildLabellerOption = None,
    labels: LabelsOption = None,
    label_model: LabelModelOption = None,
    label_server: LabelServerOption = None,
    concurrency: ConcurrencyOption = 4,
    answers: AnswersOption = ANSWERS,
    atlas: AtlasOption = ATLAS,
) -> None:
    """Compute the atlas of a model over a gallery of images."""
    from clipheads.model.names import refuse_one_name_twice

    names = _models_to_build(model or [], paper=paper)
    if len(names) > 1 and (checkpoint or labels or called):
        option = "--checkpoint" if checkpoint else "--labels" if labels else "--name"
        raise AtlasError(f"{option} goes with one --model, but there are {len(names)}")
    refuse_one_name_twice(names)
    chosen = choose_labeller(
        labeller or "explained", labels, label_model, label_server, concurrency, answers
    )
    for name in names:
        build_bundle(
            name,
            gallery=gallery,
            atlas=atlas,
            called=called,
            checkpoint=checkpoint,
            layers=layers,
            device=device,
            precision=precision,
            descriptions=descriptions,
            topics=topics,
            contrasts=contrasts,
            profile=profile,
            words=words,
            batch_size=batch_size,
            labeller=chosen if labeller or labels else None,
            export_text_encoder=export_text_encoder,
            export_image_encoder=export_image_encoder,
        )
    relate(atlas)
    advise_site(atlas)


def relate(atlas: Path) -> None:
    """Compare the heads of all models of an atlas, as far as that is not done, and say so."""
    from clipheads.stages.relatives_across import relate_models

    progress = progress_for(out)
    outcomes = relate_models(atlas, progress)
    built = [f"{one} with {other}" for (one, other), made in outcomes.items() if made == "built"]
    if built:
        progress.note(f"compared the heads of {', '.join(built)}")


def build_bundle(name: str, *, gallery: Path, atlas: Path, **options: object) -> None:
    """Build the bundle of one model, and say what was skipped and what was built."""
    from clipheads.stages.build import build_model

    progress = progress_for(out)
    report = build_model(name, gallery=gallery, atlas=atlas, progress=progress, **options)  # type: ignore[arg-type]
    for line in skipped_lines(report.skipped, report.images, atlas / "gallery" / "manifest.json"):
        progress.note(line)
    built = [stage for stage, outcome in report.stages.items() if outcome == "built"]
    if built:
        progress.note(f"{report.model}: built {', '.join(built)} in {report.folder}")
    else:
        progress.note(f"{report.model}: nothing to do, all stages are unchanged")


def skipped_lines(skipped: "Sequence[SkippedImage]", images: int, manifest: Path) -> list[str]:
    """Say which images were skipped: the first of them, and how many there are.

    Args:
        skipped: all of them, with the reasons.
        images: how many were read.
        manifest: the file that lists all of them.
    """
    if not skipped:
        return []
    lines = [f"skipped {image.file}: {image.reason}" for image in skipped[:SKIPPED_LINES]]
    if len(skipped) > SKIPPED_LINES:
        lines.append(f"… and {len(skipped) - SKIPPED_LINES} more, all listed in {manifest}")
    return [*lines, f"{len(skipped)} skipped, {images} images read"]


def _models_to_build(models: list[str], *, paper: bool) -> list[str]:
    if paper == bool(models):
        raise AtlasError("give either --model, once or more, or --paper for the paper's six")
    if not paper:
        return models
    from clipheads.model.names import PAPER_MODELS

    return list(PAPER_MODELS)
