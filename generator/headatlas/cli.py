"""The command line: each command only arranges what the library does.

torch is imported by the commands that compute, when they are called; `site`, `serve` and
`check` do without it.
"""

import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clipheads.data_files import data_file
from clipheads.errors import AtlasError
from headatlas.console import progress_for

if TYPE_CHECKING:
    from clipheads.bundle import GroundTruthRecord
    from clipheads.labels import NameHeads

# Threads that wait for one another by spinning make torch several times slower on a busy machine.
# It must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    help="Build and publish an atlas of every attention head of CLIP's vision transformer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


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

    EMBEDDED = "embedded"
    NEIGHBOURS = "neighbours"
    OPENAI = "openai"


AtlasOption = Annotated[Path, typer.Option(help="Folder of the bundles.")]
SiteOption = Annotated[Path, typer.Option("--out", help="Folder of the site.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps, …")]
LabelerOption = Annotated[
    Labeler,
    typer.Option(
        help="By the properties of the descriptions, by what the nearest images share, or in "
        "context by a language model."
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option("--labels", help="Take the labels from a file: .csv (head,label) or .json."),
]
LabelModelOption = Annotated[
    str | None, typer.Option(help="Language model for --labeler openai, as its server names it.")
]
LabelServerOption = Annotated[
    str | None,
    typer.Option("--label-server", help="Base URL of its server; OPENAI_BASE_URL by default."),
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=64, help="Questions to the language model at once.")
]
AnswersOption = Annotated[
    Path, typer.Option(help="Folder of the language model's answers; none is asked for twice.")
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(help="Public address of the site, for canonical links and the sitemap."),
]


@app.command(epilog="Example: `head-atlas demo`")
def demo(
    atlas: AtlasOption = Path("data/atlas"),
    site: SiteOption = Path("site"),
    gallery: Annotated[Path, typer.Option(help="Where the scenes are drawn.")] = Path(
        "data/demo-gallery"
    ),
    device: DeviceOption = "auto",
) -> None:
    """Build the embedded default, from drawing its images to the finished site."""
    from clipheads.demo_world.gallery import write_demo_gallery
    from clipheads.neighbour_labels import name_heads_by_neighbours

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
        name_heads=partial(name_heads_by_neighbours, pool=data_file("demo", "descriptions.csv")),
        export_text_encoder=True,
        export_image_encoder=True,
    )
    _measure_truth(atlas, device)
    _generate(atlas, site, None)
    folder = "" if site == Path("site") else f" --dir {site}"
    out.print(f"Look at it: open {site / 'index.html'}, or run head-atlas serve{folder}")


@app.command(
    epilog="Example: `head-atlas build --model ViT-B-32_openai --gallery photos/` "
    "— with local weights: `head-atlas build --model ViT-B-32_openai --checkpoint ViT-B-32.pt "
    "--gallery photos/` — the paper's study: `head-atlas build --paper --layers last4 "
    "--labeler openai --gallery photos/`"
)
def build(
    gallery: Annotated[
        Path, typer.Option(help="Folder of images, manifest (.csv, .jsonl), or tar shards.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="NAME_TAG as in open_clip, or local-dir:PATH; may be given again."),
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="All six models of the paper, one after the other.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Local weights instead of a download; for one model.")
    ] = None,
    layers: Annotated[Layers, typer.Option(help="Layers whose heads get a page.")] = Layers.ALL,
    device: DeviceOption = "auto",
    precision: Annotated[
        Precision, typer.Option(help="Of products of matrices; the error is recorded.")
    ] = Precision.FP32,
    descriptions: Annotated[
        Path | None, typer.Option(help="Own pool of texts: .csv (text,property) or .txt.")
    ] = None,
    topics: Annotated[
        Path | None, typer.Option(help="Own texts for the heat maps: .csv (text,property).")
    ] = None,
    contrasts: Annotated[
        Path | None, typer.Option(help="Own pairs of texts: .csv (first,second).")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images on the device at once.")] = 32,
    export_text_encoder: Annotated[
        bool,
        typer.Option("--export-text-encoder", help="The search page can be asked any text."),
    ] = False,
    export_image_encoder: Annotated[
        bool,
        typer.Option("--export-image-encoder", help="The search page takes a visitor's own image."),
    ] = False,
    labeler: LabelerOption = Labeler.EMBEDDED,
    labels: LabelsOption = None,
    label_model: LabelModelOption = None,
    label_server: LabelServerOption = None,
    concurrency: ConcurrencyOption = 4,
    answers: AnswersOption = Path("data/answers"),
    atlas: AtlasOption = Path("data/atlas"),
) -> None:
    """Compute everything about every head of a model over a gallery of images."""
    names = _models_to_build(model or [], paper=paper)
    if len(names) > 1 and (checkpoint or labels):
        option = "--checkpoint" if checkpoint else "--labels"
        raise AtlasError(f"{option} goes with one --model, but there are {len(names)}")
    name_heads = _labeller(
        labeler, labels, descriptions, label_model, label_server, concurrency, answers
    )
    for name in names:
        _build_model(
            name,
            gallery=gallery,
            atlas=atlas,
            checkpoint=checkpoint,
            layers=layers,
            device=device,
            precision=precision.value,
            descriptions=descriptions,
            topics=topics,
            contrasts=contrasts,
            batch_size=batch_size,
            name_heads=name_heads,
            export_text_encoder=export_text_encoder,
            export_image_encoder=export_image_encoder,
        )
    out.print("Make the site of it with: head-atlas site")


@app.command(
    epilog="Example: `head-atlas label --dry-run` — then, with OPENAI_API_KEY set: "
    "`head-atlas label` — or from a file: `head-atlas label demo-clip --labels mine.csv`"
)
def label(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models of the atlas; all of them by default.")
    ] = None,
    labeler: LabelerOption = Labeler.OPENAI,
    labels: LabelsOption = None,
    descriptions: Annotated[
        Path | None,
        typer.Option(help="The pool that the bundle was built with, for --labeler neighbours."),
    ] = None,
    label_model: LabelModelOption = None,
    label_server: LabelServerOption = None,
    concurrency: ConcurrencyOption = 4,
    answers: AnswersOption = Path("data/answers"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the questions and tokens; ask nothing.")
    ] = False,
    atlas: AtlasOption = Path("data/atlas"),
) -> None:
    """Label the heads of finished bundles anew, in context by a language model."""
    from clipheads.incontext import DEFAULT_MODEL, TOKEN_ESTIMATE, estimate_calls
    from clipheads.relabel import bundle_folders, head_descriptions, relabel

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
        out.print(
            f"{counted.label_calls} questions for labels and at most {counted.judge_calls} for the"
            f" association score; about {counted.prompt_tokens} tokens of prompts and"
            f" {counted.answer_tokens} of answers ({TOKEN_ESTIMATE})"
        )
        return
    name_heads = _labeller(
        labeler, labels, descriptions, label_model, label_server, concurrency, answers
    )
    for folder in folders:
        outcome = relabel(folder, name_heads)
        out.print(f"{folder.name}: {'labels written' if outcome == 'built' else 'same labels'}")
    out.print("Make the site of it with: head-atlas site")


@app.command(epilog="Example: `head-atlas site --base-url https://example.org/atlas/`")
def site(
    atlas: AtlasOption = Path("data/atlas"),
    folder: SiteOption = Path("site"),
    base_url: BaseUrlOption = None,
) -> None:
    """Generate the static site from the bundles."""
    _generate(atlas, folder, base_url)


@app.command(epilog="Example: `head-atlas serve --port 8000`")
def serve(
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the site.")] = Path("site"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
) -> None:
    """Serve the site to this computer only, until Ctrl-C."""
    from headatlas.serve import serve as serve_folder

    serve_folder(folder, port, out.print)


@app.command(epilog="Example: `head-atlas check site`")
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of the site.")] = Path("site"),
) -> None:
    """Find broken links and anchors, missing files, invalid HTML and heavy pages."""
    from headatlas.check import check_site

    problems = check_site(folder)
    for problem in problems:
        out.print(f"{problem.page}: {problem.message}", markup=False)
    if problems:
        raise typer.Exit(1)
    out.print(f"{folder}: no problems")


@app.command(epilog="Example: `head-atlas models --all`")
def models(
    every: Annotated[
        bool, typer.Option("--all", help="Also those that are not supported, with the reason.")
    ] = False,
) -> None:
    """List the pretrained models that can be decomposed; the paper's six are marked."""
    from clipheads.models import PAPER_MODELS, known_models

    for known in known_models():
        mark = "  (paper)" if known.name in PAPER_MODELS else ""
        if known.supported:
            out.print(f"{known.name}{mark}", markup=False)
        elif every:
            out.print(f"{known.name}  not supported: {known.reason}", markup=False)


@app.command("train-demo", epilog="Example: `head-atlas train-demo --minutes 50`")
def train_demo(
    folder: Annotated[Path, typer.Option("--out", help="Receives the model.")] = Path(
        "data/training/demo-clip"
    ),
    work: Annotated[
        Path, typer.Option(help="State of the run; an interrupted run goes on from here.")
    ] = Path("data/training/state"),
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Training time; 50 if neither is given.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of batches instead of a time.")
    ] = None,
    device: DeviceOption = "auto",
    seed: Annotated[int, typer.Option(help="Of the initial weights.")] = 0,
) -> None:
    """Train the demo CLIP from scratch on scenes that are drawn as it goes."""
    if minutes is not None and steps is not None:
        raise AtlasError("give --minutes or --steps, not both")
    from clipheads.demo_world.training import train_demo_clip

    train_demo_clip(
        folder,
        work,
        minutes=50 if minutes is None and steps is None else minutes,
        steps=steps,
        device=device,
        seed=seed,
        progress=progress_for(out),
    )
    out.print(f"The model is in {folder}; use it as --model local-dir:{folder}")


@app.command(epilog="Example: `head-atlas audit`")
def audit() -> None:
    """Recompute the paper's Table 1 from the labels that its authors published."""
    from clipheads.audit import as_text
    from clipheads.audit import audit as recompute

    out.print(as_text(recompute()), markup=False)


@app.command("ground-truth", epilog="Example: `head-atlas ground-truth`")
def ground_truth(device: DeviceOption = "auto", atlas: AtlasOption = Path("data/atlas")) -> None:
    """Measure how true the demo atlas is: labels, neighbours and heat maps against known scenes."""
    from clipheads.demo_world.truth_report import report

    for line in report(_measure_truth(atlas, device)):
        out.print(line, markup=False)


@app.command(epilog="Example: `head-atlas bench`")
def bench() -> None:
    """Measure decomposition and TEXTSPAN as ratios within one run."""
    from clipheads.benchmark import run_benchmark

    run_benchmark(lambda line: out.print(line, markup=False))


def _models_to_build(models: list[str], *, paper: bool) -> list[str]:
    if paper == bool(models):
        raise AtlasError("give either --model, once or more, or --paper for the paper's six")
    if not paper:
        return models
    from clipheads.models import PAPER_MODELS

    return list(PAPER_MODELS)


def _labeller(
    labeler: Labeler,
    labels: Path | None,
    pool: Path | None,
    model: str | None,
    server: str | None,
    concurrency: int,
    answers: Path,
) -> "NameHeads":
    """Return the labeller that the options ask for."""
    if labels is not None:
        from clipheads.imported_labels import name_heads_from_file

        return partial(name_heads_from_file, file=labels)
    if labeler is not Labeler.OPENAI and (model or server):
        raise AtlasError("--label-model and --label-server go with --labeler openai")
    if labeler is Labeler.EMBEDDED:
        from clipheads.labels import name_heads

        return name_heads
    if labeler is Labeler.NEIGHBOURS:
        from clipheads.neighbour_labels import name_heads_by_neighbours

        return partial(
            name_heads_by_neighbours, pool=pool or data_file("descriptions", "general.csv")
        )
    from clipheads.incontext import DEFAULT_MODEL, name_heads_in_context

    return partial(
        name_heads_in_context,
        cache=answers,
        model=model or DEFAULT_MODEL,
        base_url=server,
        concurrency=concurrency,
        progress=progress_for(out),
    )


def _build_model(name: str, *, gallery: Path, atlas: Path, **options: object) -> None:
    from clipheads.pipeline import build_model

    progress = progress_for(out)
    report = build_model(name, gallery=gallery, atlas=atlas, progress=progress, **options)  # type: ignore[arg-type]
    for skipped in report.skipped:
        progress.note(f"skipped {skipped.file}: {skipped.reason}")
    if report.skipped:
        progress.note(f"{len(report.skipped)} skipped, {report.images} images read")
    built = [stage for stage, outcome in report.stages.items() if outcome == "built"]
    if built:
        progress.note(f"{report.model}: built {', '.join(built)} in {report.folder}")
    else:
        progress.note(f"{report.model}: nothing to do, all stages are unchanged")


def _measure_truth(atlas: Path, device: str) -> "GroundTruthRecord":
    from clipheads.bundle import GroundTruthRecord
    from clipheads.demo_world.ground_truth import write_ground_truth

    bundle = atlas / "demo-clip"
    model = f"local-dir:{data_file('demo', 'demo-clip')}"
    write_ground_truth(model, bundle, device=device, progress=progress_for(out))
    return GroundTruthRecord.model_validate_json((bundle / "ground-truth.json").read_bytes())


def _generate(atlas: Path, folder: Path, base_url: str | None) -> None:
    from headatlas.site import generate_site

    report = generate_site(atlas, folder, base_url, progress_for(out))
    size = report.bytes / 1e6
    out.print(f"{report.pages} pages, {report.files} files, {size:.1f} MB in {folder}")


def main() -> None:
    """Run a command; what the user can mend is one line and exit code 2."""
    try:
        app()
    except AtlasError as error:
        err.print(f"head-atlas: {error}", markup=False)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        err.print("head-atlas: interrupted; what is finished is kept")
        raise SystemExit(130) from None
