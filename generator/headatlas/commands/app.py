"""The command line: each command is a module of its own, and here they come together.

A command's module has `EXAMPLES`, and a function `run` whose parameters are its options and whose
docstring is its help. It imports what computes when it runs, so that `head-atlas --help` loads
neither torch nor numpy.
"""

import os
from typing import Annotated

import typer

from headatlas.commands import (
    audit,
    bench,
    build,
    check,
    demo,
    figure,
    ground_truth,
    label,
    models,
    serve,
    site,
    train_demo,
)
from headatlas.commands.border import SHOW
from headatlas.commands.plain_help import FLAG, PlainCommand, PlainGroup, examples

# Threads that wait for one another by spinning make torch several times slower on a busy machine.
# It must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

COMMANDS = (
    demo,
    build,
    label,
    site,
    serve,
    check,
    figure,
    models,
    train_demo,
    audit,
    ground_truth,
    bench,
)
"""In the order of the help."""

FORMER_SPELLINGS = {"labeler": "labeller"}
"""Options that had another name once, which still works and stands in no help."""

app = typer.Typer(
    cls=PlainGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda token: FORMER_SPELLINGS.get(token, token),
    },
)


@app.callback(epilog=examples(("head-atlas demo", "head-atlas COMMAND --help")))
def program(
    traceback: Annotated[
        bool,
        typer.Option(SHOW, metavar=FLAG, help="Show where an error arose, to report a bug."),
    ] = False,
) -> None:
    """Build and publish an atlas of every attention head of CLIP's vision transformer."""


for module in COMMANDS:
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    app.command(name, cls=PlainCommand, epilog=examples(module.EXAMPLES))(module.run)
