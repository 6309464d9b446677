"""Tables and paragraphs for a terminal: fitted to it, and unwrapped and plain in a pipe."""

import re

import pytest
from rich.table import Table

from clipheads.paper.measures import MEASURES
from clipheads.paper.report import audit
from headatlas.commands.audit_report import audit_report
from headatlas.commands.console import PlainConsole, table


def shown(*parts: str | Table) -> list[str]:
    console = PlainConsole()
    with console.capture() as captured:
        console.show(parts)
    return captured.get().splitlines()


LONG = "a very long cell " * 20
ROWS = [("L0.H1", LONG.strip(), "1"), ("L11.H7", "short", "22.5")]


def test_in_a_pipe_a_row_is_a_line_without_colour() -> None:
    head, first, second = shown(table(("head", "text", "number"), ROWS, words=2))

    assert head.split() == ["head", "text", "number"]
    assert first.split("  ")[0] == "L0.H1"
    assert LONG.strip() in first
    assert first.endswith("       1")
    assert second.endswith("    22.5")
    assert len(head) == len(first) == len(second)


def test_in_a_pipe_no_line_ends_in_spaces() -> None:
    assert shown(table(("head", "text"), [("L0.H1", ""), ("L1.H1", "x")], words=2)) == [
        "head   text",
        "L0.H1",
        "L1.H1  x",
    ]


def test_in_a_pipe_a_paragraph_is_a_line_and_parts_have_a_line_between_them() -> None:
    assert shown(LONG, "second") == [LONG, "", "second"]


def test_in_a_terminal_everything_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    styled = shown(LONG, table(("head", "text", "number"), ROWS, words=2))
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in styled]

    assert len(lines) > 10
    assert max(map(len, lines)) <= 60
    # Words are not cut.
    words = {*LONG.split(), "head", "text", "number", "short", "1", "22.5", "L0.H1", "L11.H7"}
    assert set(" ".join(lines).split()) <= words


def test_a_cell_cannot_command_the_terminal_and_is_no_markup() -> None:
    (line,) = shown(table(("a", "b"), [("\x1b[2J", "[bold]x[/bold]")], words=2, header=False))

    assert line == r"\x1b[2J  [bold]x[/bold]"


def test_the_audit_shows_every_model_finding_and_measure() -> None:
    report = audit()
    lines = shown(*audit_report(report))
    for row in report.models:
        (line,) = (line for line in lines if line.startswith(f"{row.model} ") and "/" in line)
        for count in (row.printed_heads, row.shared.count, row.unique):
            assert f" {count}/{row.heads} " in line
    for sentence in (*report.caveats, *report.findings):
        assert f"- {sentence}" in lines
    for measure in MEASURES:
        rows = [line for line in lines if line.startswith(f"{measure.name}  ")]
        assert rows[-1].removeprefix(measure.name).strip() == measure.title
    for joined in report.spellings:
        assert any(" = ".join(joined.spellings) in line for line in lines)
