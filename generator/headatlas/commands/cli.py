"""The command line: each command only arranges what the library does.

torch is imported by the commands that compute, when they are called; `site`, `serve` and
`check` do without it.
"""

import os
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from headatlas.commands.border import SHOW, main
from headatlas.commands.console import PlainConsole, progress_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipheads.bundle.gallery import SkippedImage
    from clipheads.bundle.ground_truth import GroundTruthRecord
    from clipheads.labels.labeller import Labeller

# Threads that wait for one another by spinning make torch several times slower on a busy machine.
# It must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = ["app", "main"]

SKIPPED_LINES = 20
"""So many images that were skipped are named on the terminal."""


class _Group(TyperGroup):
    """The program; see `_Command`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options."""
        return _without_types(super().get_params(ctx))


class _Command(TyperCommand):
    """A command whose help names the values of its options, and no types of Python."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return arguments and options."""
        return _without_types(super().get_params(ctx))


def _without_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            parameter.display_type_rich = lambda ctx: ""  # type: ignore[method-assign]  # noqa: ARG005
        elif parameter.metavar is None:  # --help
            parameter.metavar = FLAG
    return parameters


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = PlainConsole()


class Layers(StrEnum):
    """Which layers' heads get a page."""

    ALL = "all"
    LAST4 = "last4"


class Precision(StrEnum):
    """The numbers in which matrices are multiplied."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Labeler(StrEnum):
    """Who names the heads."""

    EXPLAINED = "explained"
    MAJORITY = "majority"
    OPENAI = "openai"


FLAG = ""
"""What an option without a value shows in place of its value's type."""


def _one_of(choices: type[StrEnum]) -> str:
    return f"[{'|'.join(choices)}]"


def _examples(*commands: str) -> str:
    """One line each, never wrapped, so that it can be copied."""
    title = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {command}" for command in commands)])


DEMO_PROFILED = 96
"""Images of the demo's profile: enough for every head that stands out at 256, in less time."""


def images_to_profile(value: str) -> int:
    """Read `none` as 0, and a number of images as itself."""
    if value == "none":
        return 0
    if value.isascii() and value.isdecimal() and int(value) >= 2:
        return int(value)
    raise typer.BadParameter(f"{value!r} is neither none nor a number of images from 2 on")


AtlasOption = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the bundles.")]
SiteOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the site.")]
DeviceOption = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps, …")
]
LabelerOption = Annotated[
    Labeler,
    typer.Option(
        metavar=_one_of(Labeler),
        help="By the property that most of what the descriptions explain belongs to, by that of "
        "most descriptions, or by a language model that reads them.",
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels", metavar="FILE", help="Take the labels from a file: .csv (head,label) or .json."
    ),
]
LabelModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Language model for --labeler openai, as its server names it."
    ),
]
LabelServerOption = Annotated[
    str | None,
    typer.Option(
        "--label-server", metavar="URL", help="Base URL of its server; OPENAI_BASE_URL by default."
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=64, metavar="N", help="Questions to the language model at once.")
]
AnswersOption = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER", help="Folder of the language model's answers; none is asked for twice."
    ),
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Public address of the site, for canonical links and the sitemap."
    ),
]


@app.callback(epilog=_examples("head-atlas demo", "head-atlas COMMAND --help"))
def program(
    traceback: Annotated[
        bool,
        typer.Option(SHOW, metavar=FLAG, help="Show where an error arose, to report a bug."),
    ] = False,
) -> None:
    """Build and publish an atlas of every attention head of CLIP's vision transformer."""


@app.command(cls=_Command, epilog=_examples("head-atlas demo"))
def demo(
    atlas: AtlasOption = Path("data/atlas"),
    site: SiteOption = Path("site"),
    gallery: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the scenes are drawn.")
    ] = Path("data/demo-gallery"),
    device: DeviceOption = "auto",
) -> None:
    """Draw the images of the demo, build its atlas and its site."""
    from clipheads.demo_world.world.gallery import write_demo_gallery

    progress = progress_for(out)
    if not write_demo_gallery(gallery, progress):
        progress.note(f"{gallery}: unchanged")
    _build_model(
        f"local-dir:{data_file('demo', 'demo-clip')}",
        gallery=gallery,
        atlas=atlas,
        device=device,
        descriptions=data_file("demo", "descriptions.csv"),
        topics=data_file("demo", "topics.csv"),
        contrasts=data_file("demo", "contrasts.csv"),
        profile=DEMO_PROFILED,
        words=data_file("demo", "words.csv"),
        export_text_encoder=True,
        export_image_encoder=True,
    )
    _measure_truth(atlas, device)
    _generate(atlas, site, None)
    folder = "" if site == Path("site") else f" --dir {site}"
    out.say(f"Look at it: open {site / 'index.html'}, or run head-atlas serve{folder}")


@app.command(
    cls=_Command,
    epilog=_examples(
        "head-atlas build --model ViT-B-32_openai --gallery photos/",
        "head-atlas build --model ViT-B-32_openai --checkpoint B32.pt --gallery photos/",
        "head-atlas build --paper --layers last4 --labeler openai --gallery photos/",
    ),
)
def build(
    gallery: Annotated[
        Path,
        typer.Option(
            metavar="PATH", help="Folder of images, manifest (.csv, .jsonl), or tar shards."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL", help="NAME_TAG as in open_clip, or local-dir:PATH; may be given again."
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
        typer.Option("--name", metavar="NAME", help="What one model is called in the atlas."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Local weights instead of a download; for one model."),
    ] = None,
    layers: Annotated[
        Layers, typer.Option(metavar=_one_of(Layers), help="Layers whose heads get a page.")
    ] = Layers.ALL,
    device: DeviceOption = "auto",
    precision: Annotated[
        Precision,
        typer.Option(
            metavar=_one_of(Precision), help="Of products of matrices; the error is recorded."
        ),
    ] = Precision.FP32,
    descriptions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Own pool of texts: .csv (text,property) or .txt."),
    ] = None,
    topics: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Own texts for the heat maps: .csv (text,property)."),
    ] = None,
    contrasts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Own pairs of texts: .csv (first,second).")
    ] = None,
    profile: Annotated[
        int,
        typer.Option(
            parser=images_to_profile,
            metavar="[none|N]",
            help="Images whose changes show what moves a head; 14 passes over them.",
        ),
    ] = "256",  # type: ignore[assignment]  # as on a command line: it is parsed
    words: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Own words to print for the profile: .csv (word,text)."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images on the device at once.")
    ] = 32,
    export_text_encoder: Annotated[
        bool,
        typer.Option(
            "--export-text-encoder", metavar=FLAG, help="The search page can be asked any text."
        ),
    ] = False,
    export_image_encoder: Annotated[
        bool,
        typer.Option(
            "--export-image-encoder",
            metavar=FLAG,
            help="The search page takes a visitor's own image.",
        ),
    ] = False,
    labeler: LabelerOption = Labeler.EXPLAINED,
    labels: LabelsOption = None,
    label_model: LabelModelOption = None,
    label_server: LabelServerOption = None,
    concurrency: ConcurrencyOption = 4,
    answers: AnswersOption = Path("data/answers"),
    atlas: AtlasOption = Path("data/atlas"),
) -> None:
    """Compute the atlas of a model over a gallery of images."""
    from clipheads.model.names import refuse_one_name_twice

    names = _models_to_build(model or [], paper=paper)
    if len(names) > 1 and (checkpoint or labels or called):
        option = "--checkpoint" if checkpoint else "--labels" if labels else "--name"
        raise AtlasError(f"{option} goes with one --model, but there are {len(names)}")
    refuse_one_name_twice(names)
    chosen = _labeller(labeler, labels, label_model, label_server, concurrency, answers)
    for name in names:
        _build_model(
            name,
            gallery=gallery,
            atlas=atlas,
            called=called,
            checkpoint=checkpoint,
            layers=layers,
            device=device,
            precision=precision.value,
            descriptions=descriptions,
            topics=topics,
            contrasts=contrasts,
            profile=profile,
            words=words,
            batch_size=batch_size,
            labeller=chosen,
            export_text_encoder=export_text_encoder,
            export_image_encoder=export_image_encoder,
        )
    out.say("Make the site of it with: head-atlas site")


@app.command(
    cls=_Command,
    epilog=_examples(
        "head-atlas label --dry-run",
        "OPENAI_API_KEY=... head-atlas label",
        "head-atlas label demo-clip --labels mine.csv",
    ),
)
def label(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Models of the atlas; all of them by default."),
    ] = None,
    labeler: LabelerOption = Labeler.OPENAI,
    labels: LabelsOption = None,
    label_model: LabelModelOption = None,
    label_server: LabelServerOption = None,
    concurrency: ConcurrencyOption = 4,
    answers: AnswersOption = Path("data/answers"),
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", metavar=FLAG, help="Only count the questions and tokens; ask nothing."
        ),
    ] = False,
    atlas: AtlasOption = Path("data/atlas"),
) -> None:
    """Label the heads of finished bundles anew.

    In context by a language model, if no other labeller is named.
    """
    from clipheads.labels.in_context import DEFAULT_MODEL, TOKEN_ESTIMATE, estimate_calls
    from clipheads.stages.relabel import bundle_folders, head_descriptions, relabel

    folders = bundle_folders(atlas, models or [])
    if labels is not None and len(folders) > 1:
        raise AtlasError(f"--labels goes with one model, but there are {len(folders)}: name one")
    if dry_run:
        if labels is not None or labeler is not Labeler.OPENAI:
            raise AtlasError("--dry-run counts what --labeler openai would ask; leave the other")
        heads = {
            f"{folder.name}/{head}": [description.text for description in descriptions]
            for folder in folders
            for head, descriptions in head_descriptions(folder).items()
        }
        counted = estimate_calls(heads, cache=answers, model=label_model or DEFAULT_MODEL)
        out.say(
            f"{counted.label_calls} questions for labels and at most {counted.judge_calls} for the"
            f" association score; about {counted.prompt_tokens} tokens of prompts and"
            f" {counted.answer_tokens} of answers ({TOKEN_ESTIMATE})"
        )
        return
    chosen = _labeller(labeler, labels, label_model, label_server, concurrency, answers)
    for folder in folders:
        outcome = relabel(folder, chosen)
        out.say(f"{folder.name}: {'labels written' if outcome == 'built' else 'same labels'}")
    out.say("Make the site of it with: head-atlas site")


@app.command(
    cls=_Command, epilog=_examples("head-atlas site --base-url https://example.org/atlas/")
)
def site(
    atlas: AtlasOption = Path("data/atlas"),
    folder: SiteOption = Path("site"),
    base_url: BaseUrlOption = None,
) -> None:
    """Generate the static site from the bundles."""
    _generate(atlas, folder, base_url)


@app.command(cls=_Command, epilog=_examples("head-atlas serve --port 8000"))
def serve(
    folder: Annotated[
        Path, typer.Option("--dir", metavar="FOLDER", help="Folder of the site.")
    ] = Path("site"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")
    ] = 8000,
) -> None:
    """Serve the site to this computer only, until Ctrl-C."""
    from headatlas.publish.serve import serve as serve_folder

    serve_folder(folder, port, out.say)


@app.command(cls=_Command, epilog=_examples("head-atlas check site"))
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the site.")] = Path(
        "site"
    ),
) -> None:
    """Find broken links, invalid HTML and heavy pages of a site.

    Links and anchors must lead somewhere, and every file that a page loads must be there.
    """
    from headatlas.publish.check import check_site

    problems = check_site(folder)
    for problem in problems:
        out.say(f"{problem.page}: {problem.message}")
    if problems:
        raise typer.Exit(1)
    out.say(f"{folder}: no problems")


@app.command(cls=_Command, epilog=_examples("head-atlas models --all"))
def models(
    every: Annotated[
        bool,
        typer.Option(
            "--all", metavar=FLAG, help="Also those that are not supported, with the reason."
        ),
    ] = False,
) -> None:
    """List the pretrained models that can be decomposed.

    The six models of the paper are marked.
    """
    from clipheads.model.names import PAPER_MODELS
    from clipheads.model.sources import pretrained_models

    for pretrained in pretrained_models():
        mark = "  (paper)" if pretrained.name in PAPER_MODELS else ""
        if pretrained.supported:
            out.say(f"{pretrained.name}{mark}")
        elif every:
            out.say(f"{pretrained.name}  not supported: {pretrained.reason}")


@app.command("train-demo", cls=_Command, epilog=_examples("head-atlas train-demo --minutes 50"))
def train_demo(
    folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Receives the model.")
    ] = Path("data/training/demo-clip"),
    work: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="State of the run; an interrupted run goes on from here."
        ),
    ] = Path("data/training/state"),
    minutes: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="MINUTES", help="Training time; 50 if neither is given."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of batches instead of a time.")
    ] = None,
    device: DeviceOption = "auto",
    seed: Annotated[int, typer.Option(metavar="N", help="Of the initial weights.")] = 0,
    layers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of the vision transformer; 6.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of its residual stream; 192.")
    ] = None,
    head_width: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of each head; 32.")
    ] = None,
    patch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="In pixels, of 64; 8.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Scenes in a batch; 256.")
    ] = None,
) -> None:
    """Train the demo CLIP, or one of another shape, on new scenes."""
    if minutes is not None and steps is not None:
        raise AtlasError("give --minutes or --steps, not both")
    from clipheads.demo_world.clip.training import train_demo_clip

    shape = {
        "layers": layers,
        "width": width,
        "head_width": head_width,
        "patch_size": patch_size,
    }
    train_demo_clip(
        folder,
        work,
        minutes=50 if minutes is None and steps is None else minutes,
        steps=steps,
        device=device,
        seed=seed,
        vision={name: value for name, value in shape.items() if value is not None},
        batch_size=batch_size,
        progress=progress_for(out),
    )
    out.say(f"The model is in {folder}; use it as --model local-dir:{folder}")


@app.command(cls=_Command, epilog=_examples("head-atlas audit"))
def audit(
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the counts to a file instead."),
    ] = None,
) -> None:
    """Recompute the paper's Table 1 from its published labels."""
    from clipheads.bundle.disk.atomic_files import replacing
    from clipheads.bundle.disk.record_files import write_record
    from clipheads.paper.report import as_text
    from clipheads.paper.report import audit as recompute

    record = recompute()
    if json is not None:
        with replacing(json) as file:
            write_record(file, record)
        out.say(f"{json}: written")
        return
    for line in as_text(record).splitlines():
        out.say(line)


@app.command("ground-truth", cls=_Command, epilog=_examples("head-atlas ground-truth"))
def ground_truth(
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="A model of the demo world, local-dir:PATH, with its bundle in the atlas;"
            " the demo CLIP by default.",
        ),
    ] = "",
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What it is called in the atlas, as in build --name."),
    ] = None,
    device: DeviceOption = "auto",
    atlas: AtlasOption = Path("data/atlas"),
) -> None:
    """Measure how true the demo atlas is.

    What moves each head is measured by changing one thing of a scene at a time; labels, neighbours
    and heat maps are held against it and against scenes of which everything is known.
    """
    from clipheads.demo_world.truth.report import report

    for line in report(_measure_truth(atlas, device, model, name)):
        out.say(line)


@app.command(cls=_Command, epilog=_examples("head-atlas bench"))
def bench() -> None:
    """Measure decomposition and TEXTSPAN as ratios within one run."""
    from clipheads.benchmark import run_benchmark

    run_benchmark(out.say)


def _models_to_build(models: list[str], *, paper: bool) -> list[str]:
    if paper == bool(models):
        raise AtlasError("give either --model, once or more, or --paper for the paper's six")
    if not paper:
        return models
    from clipheads.model.names import PAPER_MODELS

    return list(PAPER_MODELS)


def _labeller(
    labeler: Labeler,
    labels: Path | None,
    model: str | None,
    server: str | None,
    concurrency: int,
    answers: Path,
) -> "Labeller":
    """Return the labeller that the options ask for."""
    from clipheads.labels.chat_settings import ChatSettings
    from clipheads.labels.registry import LABELLERS, LabellerOptions

    if labels is None and labeler is not Labeler.OPENAI and (model or server):
        raise AtlasError("--label-model and --label-server go with --labeler openai")
    chat = ChatSettings(server=server, concurrency=concurrency)
    if model:
        chat = replace(chat, model=model)
    options = LabellerOptions(file=labels, chat=chat, answers=answers, progress=progress_for(out))
    return LABELLERS["imported" if labels else labeler.value](options)


def _build_model(name: str, *, gallery: Path, atlas: Path, **options: object) -> None:
    from clipheads.stages.pipeline import build_model

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
    lines = [f"skipped {one.file}: {one.reason}" for one in skipped[:SKIPPED_LINES]]
    if len(skipped) > SKIPPED_LINES:
        lines.append(f"… and {len(skipped) - SKIPPED_LINES} more, all listed in {manifest}")
    return [*lines, f"{len(skipped)} skipped, {images} images read"]


def _measure_truth(
    atlas: Path, device: str, model: str = "", called: str | None = None
) -> "GroundTruthRecord":
    from clipheads.bundle.disk.record_files import read_record
    from clipheads.bundle.ground_truth import GroundTruthRecord
    from clipheads.demo_world.truth.ground_truth import write_ground_truth
    from clipheads.model.names import LOCAL_DIR, folder_name

    name = model or f"{LOCAL_DIR}{data_file('demo', 'demo-clip')}"
    bundle = atlas / folder_name(called or Path(name.removeprefix(LOCAL_DIR)).name)
    write_ground_truth(name, bundle, device=device, progress=progress_for(out))
    return read_record(bundle / "ground-truth.json", GroundTruthRecord)


def _generate(atlas: Path, folder: Path, base_url: str | None) -> None:
    from headatlas.site import generate_site

    report = generate_site(atlas, folder, base_url, progress_for(out))
    size = report.bytes / 1e6
    out.say(f"{report.pages} pages, {report.files} files, {size:.1f} MB in {folder}")
