"""What the terminal shows: plain text, tables, and progress as bars, or as lines in a pipe."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from clipheads.bundle.progress import Advance, Progress
from headatlas.commands.printable import printable

WIDEST_TABLE = 10_000
"""Columns of characters in a pipe, where nothing is wrapped."""


class PlainConsole(Console):
    """A console for which a string is text: no markup, and nothing that a terminal obeys."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a text on one line."""
        self.print(printable(text))

    def show(self, parts: Iterable[str | Table]) -> None:
        """Print paragraphs and tables with an empty line between them.

        They are wrapped to fit a terminal, and in a pipe as wide as they are.
        """
        for index, part in enumerate(parts):
            if index:
                self.print()
            if isinstance(part, str):
                self.print(printable(part), soft_wrap=not self.is_terminal)
            elif self.is_terminal:
                self.print(part, soft_wrap=False)
            else:
                wide = self.options.update(max_width=WIDEST_TABLE)
                for line in self.render_lines(part, wide, pad=False):
                    self.print("".join(segment.text for segment in line).rstrip())


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1, header: bool = True
) -> Table:
    """Return a table of plain text without lines.

    Args:
        columns: their headings.
        rows: a text for each column.
        words: how many of the first columns are words; the others are numbers, set to the right.
        header: whether the headings are shown.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header)
    for index, column in enumerate(columns):
        made.add_column(Text(column), justify="left" if index < words else "right")
    for row in rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    return made


out = PlainConsole()
"""What commands print to."""


class _Rate(ProgressColumn):
    """Steps per second with their unit, such as "112.0 images/s"."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {task.fields['unit']}/s" if speed else "", style="dim")


class TerminalProgress:
    """A bar for each stage; it stays when the stage is done."""

    def __init__(self, console: PlainConsole) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Show a bar while the stage runs."""
        bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
        )
        with bars:
            task = bars.add_task(f"{name:<14}", total=total, unit=unit)
            yield lambda steps: bars.advance(task, steps)

    def note(self, message: str) -> None:
        """Print a line."""
        self._console.say(message)


class PlainProgress:
    """One line when a stage is done: for pipes and logs."""

    def __init__(self, console: PlainConsole) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Say at the end how much was done in which time."""
        started, done = time.monotonic(), 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps

        yield advance
        seconds = time.monotonic() - started
        self.note(f"{name}: {done or total} {unit} in {seconds:.1f} s")

    def note(self, message: str) -> None:
        """Print a line."""
        self._console.say(message)


def progress_for(console: PlainConsole) -> Progress:
    """Bars where somebody watches, lines elsewhere."""
    return TerminalProgress(console) if console.is_terminal else PlainProgress(console)
