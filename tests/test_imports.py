"""Imports follow the layers that `pyproject.toml` lists, and a forbidden one is found."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("build/clipheads", "generator/headatlas")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
CONTRACTS = {one["id"]: one for one in SETTINGS["importlinter"]["contracts"]}


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; sys.path[:0] = ['build', 'generator'];"
        "from importlinter.cli import lint_imports;"
        "sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )


def test_every_import_follows_the_layers() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("build/clipheads/maths/scores.py", "clipheads.stages.engine", "layers"),
        ("generator/headatlas/urls.py", "headatlas.pages.page", "site-layers"),
        ("build/clipheads/bundle/slugs.py", "torch", "bundle-without-torch"),
        ("build/clipheads/bundle/slugs.py", "headatlas.render", "science-without-pages"),
        ("generator/headatlas/render.py", "clipheads.model.names", "pages-read-the-bundle"),
        ("generator/headatlas/render.py", "torch", "bundle-without-torch"),
    ],
)
def test_a_forbidden_import_is_found(
    copied: Path, module: str, imported: str, contract: str
) -> None:
    file = copied / module
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}\nimport {imported}  # noqa\n", encoding="utf-8")
    result = lint_imports(copied)
    file.write_text(before, encoding="utf-8")

    assert result.returncode == 1
    assert f"{CONTRACTS[contract]['name']} BROKEN" in result.stdout


def test_what_pages_must_not_read_is_all_of_the_science() -> None:
    science = {
        f"clipheads.{path.stem}"
        for path in (ROOT / "build" / "clipheads").iterdir()
        if path.stem not in {"__init__", "__pycache__", "bundle"}
    }
    assert set(CONTRACTS["pages-read-the-bundle"]["forbidden_modules"]) == science
