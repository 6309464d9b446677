"""Options that choose a labeller, and the labeller that they choose."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from clipheads.bundle.choices import ComputedLabeller
from clipheads.bundle.errors import AtlasError
from headatlas.commands.console import out, progress_for
from headatlas.commands.plain_help import one_of

if TYPE_CHECKING:
    from clipheads.labels.labeller import Labeller

ANSWERS = Path("data/answers")

LABELLER_HELP = (
    "explained: the property with the largest share of the variance that the descriptions explain;"
    " majority: the property of most descriptions; openai: a language model reads the"
    " descriptions."
)
LabellerOption = Annotated[
    ComputedLabeller,
    typer.Option(metavar=one_of(get_args(ComputedLabeller)), help=LABELLER_HELP),
]
BuildLabellerOption = Annotated[
    ComputedLabeller | None,
    typer.Option(
        metavar=one_of(get_args(ComputedLabeller)),
        help=f"{LABELLER_HELP} By default, labels from head-atlas label are kept, and explained is"
        " used otherwise.",
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels", metavar="FILE", help="Read the labels from a file: .csv (head,label) or .json."
    ),
]
LabelModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Language model for --labeller openai, as its server names it."
    ),
]
LabelServerOption = Annotated[
    str | None,
    typer.Option(
        "--label-server",
        metavar="URL",
        help="Base URL of an OpenAI-compatible server; OPENAI_BASE_URL by default.",
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=64, metavar="N", help="Concurrent requests to the language model.")
]
AnswersOption = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="Folder of the language model's answers; no question is sent twice.",
    ),
]


def choose_labeller(
    labeller: ComputedLabeller,
    labels: Path | None,
    model: str | None,
    server: str | None,
    concurrency: int,
    answers: Path,
) -> "Labeller":
    """Return the labeller that the options choose.

    Raises:
        AtlasError: if they contradict each other, the file of labels cannot be read, or the
            language model cannot be queried.
    """
    from clipheads.labels.chat.settings import ChatSettings
    from clipheads.labels.registry import LABELLERS, LabellerOptions

    if labels is not None and (model or server):
        raise AtlasError("--labels reads labels from a file; leave --label-model, --label-server")
    if labels is None and labeller != "openai" and (model or server):
        raise AtlasError("--label-model and --label-server go with --labeller openai")
    chat = ChatSettings(server=server, concurrency=concurrency)
    if model:
        chat = replace(chat, model=model)
    options = LabellerOptions(file=labels, chat=chat, answers=answers, progress=progress_for(out))
    return LABELLERS["imported" if labels else labeller](options)
