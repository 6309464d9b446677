"""The labellers by their kind, such as `LABELLERS["majority"](LabellerOptions())`.

A new one is a file beside this, an entry here, its kind in `clipheads.bundle.choices` and its words
in `clipheads.bundle.labels`; a test holds these together.

Their modules are imported when they are chosen: the client of a language model and torch take
seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clipheads.bundle.choices import LabellerKind
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.progress import Progress, Silent
from clipheads.labels.chat.settings import ChatSettings
from clipheads.labels.labeller import Labeller


@dataclass(frozen=True)
class LabellerOptions:
    """What a user may choose about labels; a labeller takes what concerns it."""

    file: Path | None = None
    """Of labels made elsewhere."""
    chat: ChatSettings = field(default_factory=ChatSettings)
    """How a chat-completions server is queried."""
    answers: Path = Path("data/answers")
    """Folder of its answers."""
    progress: Progress = field(default_factory=Silent)


def _explained(_options: LabellerOptions) -> Labeller:
    from clipheads.labels.explained import label_heads_by_explained

    return label_heads_by_explained


def _majority(_options: LabellerOptions) -> Labeller:
    from clipheads.labels.majority import label_heads_by_majority

    return label_heads_by_majority


def _in_context(options: LabellerOptions) -> Labeller:
    from clipheads.labels.in_context import in_context_labeller

    return in_context_labeller(options.chat, options.answers, options.progress)


def _from_file(options: LabellerOptions) -> Labeller:
    from clipheads.labels.from_file import labeller_from_file

    if options.file is None:
        raise AtlasError("labels made elsewhere are read from a file: name it with --labels")
    return labeller_from_file(options.file)


LABELLERS: Mapping[LabellerKind, Callable[[LabellerOptions], Labeller]] = {
    "explained": _explained,
    "majority": _majority,
    "openai": _in_context,
    "imported": _from_file,
}
