"""How help reads: values of options by what they are, no types of Python, examples to copy."""

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

FLAG = ""
"""What an option without a value shows in place of a value."""


class PlainGroup(TyperGroup):
    """The program; see `PlainCommand`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options."""
        return _without_types(super().get_params(ctx))


class PlainCommand(TyperCommand):
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


def one_of(choices: tuple[str, ...]) -> str:
    """Return how help shows an option that takes one of several words."""
    return f"[{'|'.join(choices)}]"


def examples(commands: tuple[str, ...]) -> str:
    """Return the end of a command's help: a line for each example, never wrapped."""
    title = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {command}" for command in commands)])
