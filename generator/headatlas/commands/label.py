"""`head-atlas label`: other labels for the heads of finished bundles."""

from pathlib import Path
from typing import Annotated

import typer

from clipheads.bundle.errors import AtlasError
from headatlas.commands.console import out
from headatlas.commands.labelling import (
    ANSWERS,
    AnswersOption,
    ConcurrencyOption,
    LabellerOption,
    LabelModelOption,
    LabelServerOption,
    LabelsOption,
    choose_labeller,
)
from headatlas.commands.options import ATLAS, AtlasOption
from headatlas.commands.plain_help import FLAG
from headatlas.commands.site import advise_site

EXAMPLES = (
    "head-atlas label --dry-run",
    "OPENAI_API_KEY=... head-atlas label",
    "head-atlas label demo-clip --labels mine.csv",
)


def run(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="Models of the atlas; all of them by default."),
    ] = None,
    labeller: LabellerOption = "openai",
    labels: LabelsOption = None,
    label_model: LabelModelOption = None,
    label_server: LabelServerOption = None,
    concurrency: ConcurrencyOption = 4,
    answers: AnswersOption = ANSWERS,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", metavar=FLAG, help="Count questions and tokens without sending anything."
        ),
    ] = False,
    atlas: AtlasOption = ATLAS,
) -> None:
    """Label the heads of finished bundles anew.

    The default is in-context learning with a language model.
    """
    from clipheads.stages.label import bundle_folders, relabel

    folders = bundle_folders(atlas, models or [])
    if labels is not None and len(folders) > 1:
        raise AtlasError(f"--labels goes with one model, but there are {len(folders)}: name one")
    if dry_run:
        if labels is not None or labeller != "openai":
            raise AtlasError("--dry-run counts what --labeller openai would ask; leave the other")
        _estimate(folders, answers, label_model)
        return
    chosen = choose_labeller(labeller, labels, label_model, label_server, concurrency, answers)
    for folder in folders:
        changes = relabel(folder, chosen)
        out.say(
            f"{folder.name}, labels of {sum(changes)} heads: {changes.set} set,"
            f" {changes.cleared} cleared, {changes.unchanged} unchanged"
        )
    advise_site(atlas)


def _estimate(folders: list[Path], answers: Path, label_model: str | None) -> None:
    from clipheads.labels.chat.settings import ChatSettings
    from clipheads.labels.in_context_cost import TOKEN_ESTIMATE, estimate_calls
    from clipheads.stages.labels import head_descriptions

    heads = {
        f"{folder.name}/{head}": [description.text for description in descriptions]
        for folder in folders
        for head, descriptions in head_descriptions(folder).items()
    }
    counted = estimate_calls(heads, label_model or ChatSettings().model, answers)
    out.say(
        f"{counted.label_calls} questions for labels and at most {counted.judge_calls} for the"
        f" association score; about {counted.prompt_tokens} tokens of prompts and"
        f" {counted.answer_tokens} of answers ({TOKEN_ESTIMATE})"
    )
