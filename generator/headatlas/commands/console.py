"""What the terminal shows: plain text, and progress as bars in a terminal or as lines in a pipe."""

import time
from collections.abc import Iterator
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
from rich.text import Text

from clipheads.bundle.progress import Advance, Progress
from headatlas.commands.printable import printable


class PlainConsole(Console):
    """A console for which a string is text: no markup, and nothing that a terminal obeys."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a text on one line."""
        self.print(printable(text))


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
