"""How a long computation reports its progress, whatever displays it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the number of steps done since the last call."""


class Progress(Protocol):
    """What the pipeline and the training loop report to."""

    def stage(self, name: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a stage of `total` steps of `unit` (such as "images")."""
        ...

    def note(self, message: str) -> None:
        """Report a line that stays on the screen."""
        ...


class Silent:
    """A progress that displays nothing: the default in Python."""

    def stage(self, name: str, total: int, unit: str) -> AbstractContextManager[Advance]:  # noqa: ARG002
        """Open a stage that is not displayed."""
        return nullcontext(lambda _steps: None)

    def note(self, message: str) -> None:
        """Drop the line."""
