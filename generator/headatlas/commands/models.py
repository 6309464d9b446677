"""`head-atlas models`: what can be decomposed."""

from typing import Annotated

import typer

from headatlas.commands.console import out
from headatlas.commands.plain_help import FLAG

EXAMPLES = ("head-atlas models --all",)


def run(
    every: Annotated[
        bool,
        typer.Option(
            "--all", metavar=FLAG, help="Also models that are not supported, with the reason."
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
