"""Write cli.md, the reference of the command line: all commands, options, defaults and examples.

python docs/list_commands.py
"""

import re
from pathlib import Path

from typer.main import get_command

from headatlas.commands.app import app

PAGE = Path(__file__).resolve().parent / "cli.md"
PROGRAM = "head-atlas"
TITLE = """# The command line

Written by `docs/list_commands.py` from the program's own help, which `--help` after a command
shows in a terminal. Words in capitals stand for values. The exit code is 0 if all went well, 1 if
what was checked has problems, 2 if the input or the machine needs a change, with one line that
says which, and 130 if the command was interrupted."""


def reference() -> str:
    """The whole page, as Markdown."""
    group = get_command(app)
    with group.make_context(PROGRAM, [], resilient_parsing=True) as context:
        commands = group.commands  # type: ignore[attr-defined]
        parts = [TITLE, group.help, _options(group, context)]
        parts += [_table(("command", "purpose"), [_summary(*item) for item in commands.items()])]
        for name, command in commands.items():
            with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
                parts += [f"## {PROGRAM} {name}", command.help]
                parts += [_options(command, inner), _examples(command.epilog)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(name, command):
    return f"[`{name}`](#{PROGRAM}-{name})", command.help.split("\n\n")[0]


def _options(command, context):
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            text, limits = re.fullmatch(r"(.*?)(?:  \[(.*)\])?", record[1]).groups()
            rows.append((f"`{record[0]}`", text, _limits(limits or "")))
    return _table(("option", "meaning", "default"), rows) if rows else ""


def _limits(limits):
    """What typer writes of a default and a range, in words."""
    limits = re.sub(r"(\d[\d.]*)<=x<=(\d+)", r"\1 to \2", limits)
    limits = re.sub(r"x>=(\d[\d.]*)", r"at least \1", limits)
    return re.sub(r"default: ([^;]*)", r"`\1`", limits)


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in lines
    )


def _examples(epilog):
    """The lines below the title, as they are typed."""
    lines = [f"$ {line.strip()}" for line in epilog.splitlines()[2:]]
    return "\n".join(["```console", *lines, "```"])


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
