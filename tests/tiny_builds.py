"""Builds of a tiny random model, and what tests read of their bundles."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.progress import Advance
from clipheads.stages.build import BuildReport, build_model

STAGES = [
    "gallery",
    "checkpoint",
    "pool",
    "descriptions",
    "topics",
    "contributions",
    "textspan",
    "neighbours",
    "heat maps",
    "map noise",
    "attention",
    "profile",
    "ablation",
    "relatives",
    "spread",
    "directions",
    "projections",
    "labels",
    "answers",
    "search",
    "records",
]


PASSES = {"contributions", "heat maps", "map noise", "attention"}
"""Those that open images, beside the profile."""


POOL = """text,property
a red picture,colours
a blue picture,colours
a green picture,colours
a cat,animals
a dog,animals
a bird,animals
one thing,counts
two things,counts
three things,counts
noise,patterns
stripes,patterns
dots,patterns
"""


class Watched:
    """A progress that keeps what it is told, and can break off at a step."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        self.notes: list[str] = []
        self.done: dict[str, int] = {}
        self.totals: dict[str, int] = {}
        self.stop = stop

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Count the steps of a stage."""
        self.totals[name] = total

        def advance(steps: int) -> None:
            self.done[name] = self.done.get(name, 0) + steps
            if self.stop and self.stop[0] == name and self.done[name] >= self.stop[1]:
                raise KeyboardInterrupt

        yield advance

    def note(self, message: str) -> None:
        """Keep the line."""
        self.notes.append(message)


def build(inputs: Path, atlas: Path, **changes: Any) -> BuildReport:
    arguments: dict[str, Any] = {
        "gallery": inputs / "photos",
        "descriptions": inputs / "pool.csv",
        "topics": inputs / "topics.csv",
        "contrasts": inputs / "contrasts.csv",
        "profile": 3,
        "device": "cpu",
    } | changes
    return build_model(f"local-dir:{inputs / 'tiny'}", atlas=atlas, **arguments)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def built_stages(report: BuildReport) -> list[str]:
    return [stage for stage, outcome in report.stages.items() if outcome == "built"]


def model_of(report: BuildReport) -> ModelRecord:
    return ModelRecord.model_validate_json((report.folder / "model.json").read_text())


def heads_of(report: BuildReport) -> list[HeadRecord]:
    return [
        HeadRecord.model_validate_json((report.folder / f"heads/{head.id}.json").read_text())
        for head in model_of(report).heads
    ]
