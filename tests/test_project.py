"""Promises about the project: tools see `build/clipheads`, the wheel holds what it needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_ruff_sees_the_folder_named_build() -> None:
    seen = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    ).stdout  # fmt: skip

    assert "build/clipheads/decomposition.py" in seen
    assert "generator/headatlas/pages.py" in seen


def test_mypy_is_strict_on_both_packages(tmp_path: Path) -> None:
    wrong = ROOT / "build" / "clipheads" / "_wrongly_typed.py"
    wrong.write_text('"""Wrong on purpose."""\n\nNUMBER: int = "text"\n')
    try:
        result = subprocess.run(
            [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "-m",
             "clipheads._wrongly_typed"],
            capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
    finally:
        wrong.unlink()

    assert "Incompatible types in assignment" in result.stdout


def test_the_generator_and_the_bundle_do_without_torch() -> None:
    code = (
        "import sys, headatlas.site, headatlas.check, headatlas.cli, clipheads.bundle;"
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
def test_the_wheel_carries_packages_templates_and_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "clipheads/decomposition.py",
        "clipheads/data/demo/sprites.zip",
        "clipheads/data/demo/demo-clip/open_clip_model.safetensors",
        "clipheads/data/descriptions/general.csv",
        "clipheads/data/topics.csv",
        "clipheads/data/words.csv",
        "headatlas/pages.py",
        "headatlas/templates/page.html",
        "headatlas/templates/static/atlas.css",
    } <= names
    assert not [name for name in names if "__pycache__" in name]
