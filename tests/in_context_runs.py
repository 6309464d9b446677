"""Runs of the in-context labeller against the server that misbehaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from misbehaving_server import KEY, MisbehavingServer

from clipheads.bundle.labels import Label
from clipheads.bundle.progress import Advance
from clipheads.labels.chat.settings import ChatSettings
from clipheads.labels.in_context import ask_labels

HEADS = {f"L11.H{index}": [f"number {index} of kind{index}", "a cat"] for index in range(6)}

ESCAPED = "".join(f"\\u{ord(char):04x}" for char in KEY)
"""The key, hidden in escapes of JSON."""


class Recorder:
    """A progress that keeps what it is told, and can be made to fail."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.done = 0
        self.total = 0
        self.notes: list[str] = []
        self._fail_at = fail_at

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Open a stage and remember how long it is."""
        self.total = total
        yield self._advance

    def note(self, message: str) -> None:
        """Keep the line."""
        self.notes.append(message)

    def _advance(self, steps: int) -> None:
        self.done += steps
        if self._fail_at is not None and self.done >= self._fail_at:
            raise KeyboardInterrupt


def run(
    server: MisbehavingServer,
    answers: Path,
    heads: dict[str, list[str]] | None = None,
    *,
    model: str = "test-model",
    concurrency: int = 2,
    timeout: float = 5.0,
    retries: int = 2,
    progress: Recorder | None = None,
) -> dict[str, Label]:
    """Ask for labels; a question that failed leaves no label and its reason."""
    settings = ChatSettings(
        model=model, server=server.url, concurrency=concurrency, timeout=timeout, retries=retries
    )
    found = ask_labels(HEADS if heads is None else heads, settings, answers, progress or Recorder())
    return {
        head: label
        if isinstance(label, Label)
        else Label(text=None, confidence=None, reason=label.reason)
        for head, label in found.items()
    }
