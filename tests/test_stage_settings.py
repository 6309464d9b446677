"""Every number that an output depends on is in the key of its stage."""

from importlib import import_module
from pathlib import Path

import pytest

from clipheads.demo_world.truth.ground_truth import SETTINGS
from clipheads.stages.atlas import ATLAS
from clipheads.stages.engine import all_stages, values_of

BUILD = Path(__file__).parents[1] / "build" / "clipheads"
STAGES = all_stages(ATLAS)
LISTED = sorted({name for stage in STAGES for name in stage.settings})

ELSEWHERE = {
    "labels": "labels are in the key of their stage as they are",
    "paper.measures": "not part of a build",
    "paper.report": "not part of a build",
    "benchmark": "not part of a build",
    "gallery.image_ids": "ids are in the gallery's key as they are",
    "gallery.files": "what is listed is in the gallery's key",
    "bundle.disk.record_files": "only in messages",
    "bundle.ground_truth": "not part of a build",
    "bundle.outliers.LARGE": "only which pages warn",
    "gallery.tar_shards": "what is listed is in the gallery's key",
    "gallery.shard_samples": "what is listed is in the gallery's key",
    "stages.build.PROFILED_IMAGES": "the images are in the key of the profile",
    "bundle.disk.owned_files.LONGEST_NAME": "only which lists are refused",
    "browser.onnx_graph._MOST_BYTES": "a limit, beyond which nothing is written",
    "browser.fidelity._BLOCK": "only how much is computed at once",
    "maths.similarity.KERNEL_VALUES": "only how much is computed at once",
    "maths.zero_shot.BLOCK": "only how much is computed at once",
    "maths.answer_ablation.TEXTS_AT_ONCE": "only how much is computed at once",
    "maths.neighbours._LARGEST_INDEX": "a mask of bits",
    "gallery.pictures.BAND_PIXELS": "only how much is computed at once",
    "gallery.pictures.PIXELS_AT_ONCE": "only how much is computed at once",
    "gallery.pictures.THREADS": "only how much is computed at once",
    "model.checkpoints": "only which checkpoints are refused",
}
"""Numbers, modules and packages that are in no list, and why they need not be."""


def numbers_of(module: str) -> list[str]:
    """The names of the numbers that a module defines itself."""
    path = BUILD.joinpath(*module.split(".")).with_suffix(".py")
    lines = path.read_text(encoding="utf-8").splitlines()
    defined = {line.split("=")[0].split(":")[0].strip() for line in lines if " = " in line}
    loaded = import_module(f"clipheads.{module}")
    return [
        f"{module}.{name}"
        for name in sorted(defined)
        if name.isupper() and _is_number(getattr(loaded, name, None))
    ]


def is_elsewhere(name: str) -> bool:
    """Whether a number, its module or its package need be in no list."""
    parts = name.split(".")
    return any(".".join(parts[:end]) in ELSEWHERE for end in range(1, len(parts) + 1))


def _is_number(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(map(_is_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


@pytest.mark.parametrize("name", LISTED)
def test_a_changed_number_changes_the_settings_of_its_stages_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {stage.name: stage.settings_now() for stage in STAGES}
    module, attribute = name.rsplit(".", 1)
    monkeypatch.setattr(f"clipheads.{module}.{attribute}", 987)
    changed = {stage.name for stage in STAGES if stage.settings_now() != before[stage.name]}
    assert changed == {stage.name for stage in STAGES if name in stage.settings}
    assert changed


def test_no_number_of_the_build_is_forgotten() -> None:
    forgotten = [
        name
        for path in sorted(BUILD.rglob("[!_]*.py"))
        if not {"demo_world", "truth"} & set(path.parts)
        for module in [".".join(path.relative_to(BUILD).with_suffix("").parts)]
        for name in numbers_of(module)
        if name not in LISTED and not is_elsewhere(name)
    ]
    assert forgotten == []


def test_no_number_of_the_ground_truth_is_forgotten() -> None:
    numbers = [
        name
        for folder in ("demo_world/truth", "truth")
        for path in sorted((BUILD / folder).glob("[!_]*.py"))
        for name in numbers_of(".".join(path.relative_to(BUILD).with_suffix("").parts))
    ]
    apart = {
        "demo_world.truth.ground_truth.VERSION",  # in the key itself
        "demo_world.truth.observed_scenes.BATCH_SIZE",  # only how much is computed at once
    }
    assert sorted(set(numbers) - apart - set(SETTINGS)) == []
    assert sorted(set(SETTINGS) - set(values_of(SETTINGS))) == []
