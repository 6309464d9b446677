"""Promises about the project: tools see `build/clipheads`, the wheel holds what it needs."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from headatlas.template_files import SHEETS

ROOT = Path(__file__).parents[1]


def test_ruff_sees_the_folder_named_build() -> None:
    seen = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    ).stdout  # fmt: skip

    assert "build/clipheads/maths/decomposition.py" in seen
    assert "generator/headatlas/render.py" in seen


LOOSE = '"""Typed loosely on purpose."""\n\n\ndef double(number):\n    return 2 * number\n'


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("clipheads.bundle.errors", "build/clipheads/bundle/errors.py"),
        ("headatlas.commands.printable", "generator/headatlas/commands/printable.py"),
    ],
)
def test_mypy_is_strict_on_both_packages(tmp_path: Path, module: str, file: str) -> None:
    loose = tmp_path / "loose.py"
    loose.write_text(LOOSE)
    (tmp_path / "not_strict.ini").write_text("[mypy]\nmypy_path = build:generator\n")

    def mypy(*options: str | Path) -> str:
        command = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", *options]
        # The one module alone: what it imports, torch among it, takes a minute.
        command += ["--follow-imports=skip", "--shadow-file", file, loose, "-m", module]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, check=False
        ).stdout  # fmt: skip

    assert f"{file}:4: error: Function is missing a type annotation" in mypy()
    assert "Success" in mypy("--config-file", tmp_path / "not_strict.ini")


def test_the_generator_the_commands_and_the_bundle_are_loaded_without_torch() -> None:
    modules = [
        ".".join(path.relative_to(ROOT / "generator").with_suffix("").parts)
        for path in (ROOT / "generator" / "headatlas").rglob("*.py")
        if not path.stem.startswith("__")
    ]
    code = f"import sys, clipheads.bundle, {', '.join(modules)}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_module_is_longer_than_400_lines() -> None:
    modules = [path for of in ("build", "generator", "tests") for path in (ROOT / of).rglob("*.py")]
    static = ROOT / "templates" / "static"
    modules += [path for kind in ("css", "js") for path in static.rglob(f"*.{kind}")]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules}

    assert len(lengths) > 300
    assert {path.name: lines for path, lines in lengths.items() if lines > 400} == {}


def test_the_stylesheet_has_every_part_that_there_is() -> None:
    parts = (ROOT / "templates" / "static" / "atlas").glob("*.css")

    assert sorted(SHEETS) == sorted(path.stem for path in parts)


def test_the_architecture_lists_every_module_with_its_idea() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    code = "import list_modules; print(list_modules.listed(), end='')"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "docs", check=True
    ).stdout

    assert listed.count("| `") > 100
    assert listed in page, "run: python docs/list_modules.py"


MADE_BY_A_BUILD = {"data/atlas/"}
GUIDES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]


@pytest.mark.parametrize("guide", GUIDES, ids=[guide.name for guide in GUIDES])
def test_files_that_guides_name_are_there_and_hold_what_is_said_of_them(guide: Path) -> None:
    # Without the list of modules, which is written from them.
    page = guide.read_text(encoding="utf-8").partition("\n## All modules")[0]
    named = re.findall(r"`((?:build|generator|templates|tests|docs|data)/[\w./-]*)`", page)
    linked = re.findall(r"\]\(([\w./-]+\.(?:md|py))\)", page)
    assert len(named + linked) > 3
    for path in set(named) - MADE_BY_A_BUILD:
        assert (ROOT / path).exists(), path
    for path in linked:
        assert (guide.parent / path).exists(), path
    for names, path in re.findall(r"((?:`\w+`(?:, | and )?)+) (?:in|of) `([\w./-]+)`", page):
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            # An import of the name is no definition.
            defined = rf"^(?:    )?(?:(?:def|class) {name}\b|{name}(?: *=|:))"
            assert re.search(defined, text, re.MULTILINE), f"{name} in {path}"


def test_the_reference_of_the_command_line_is_what_its_help_says() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    code = "import list_commands; print(list_commands.reference(), end='')"
    written = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "docs", check=True
    ).stdout

    assert page == written, "run: python docs/list_commands.py"
    for heading in ("## head-atlas build\n", "## head-atlas ground-truth\n"):
        assert heading in page
    for row in ("| `--batch-size N` | ", "| `32`; at least 1 |", "$ head-atlas label --dry-run"):
        assert row in page


@pytest.mark.slow
def test_the_wheel_carries_packages_templates_and_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "clipheads/maths/decomposition.py",
        "clipheads/data/demo/sprites.zip",
        "clipheads/data/demo/demo-clip/open_clip_model.safetensors",
        "clipheads/data/descriptions/general.csv",
        "clipheads/data/published/paper.json",
        "clipheads/data/topics.csv",
        "clipheads/data/words.csv",
        "headatlas/render.py",
        "headatlas/templates/page.html",
        "headatlas/templates/static/atlas/colours.css",
    } <= names
    assert not [name for name in names if "__pycache__" in name]
