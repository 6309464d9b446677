"""How a long computation tells its caller where it is, without knowing who shows it."""

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
        """Say one line that stays on the screen."""
        ...


class Silent:
    """A progress that shows nothing: the default in Python."""

    def stage(self, name: str, total: int, unit: str) -> AbstractContextManager[Advance]:  # noqa: ARG002
        """Open a stage that nobody watches."""
        return nullcontext(lambda _steps: None)

    def note(self, message: str) -> None:
        """Drop the line."""
