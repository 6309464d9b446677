"""`head-atlas models`: what can be decomposed."""

from typing import Annotated

import typer

from headatlas.commands.console import out, table
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

    rows = []
    for pretrained in pretrained_models():
        if pretrained.supported:
            rows.append((pretrained.name, "(paper)" if pretrained.name in PAPER_MODELS else ""))
        elif every:
            rows.append((pretrained.name, f"not supported: {pretrained.reason}"))
    out.show([table(("model", "remark"), rows, words=2, header=False)])
