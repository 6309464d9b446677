"""What the documentation shows runs as it is written: examples of code, and commands.

A command that needs a download, a server, or many minutes is parsed but not run, and stands in
`NOT_RUN` with its reason.
"""

import doctest
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from checkpoints import tiny_config, write_local_dir
from PIL import Image
from typer.testing import CliRunner

from headatlas.commands.app import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "data").rglob("README.md"),
]
PACKAGES = (ROOT / "build" / "clipheads", ROOT / "generator" / "headatlas")
WITH_EXAMPLES = [
    ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for path in sorted(package.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]

NOT_RUN = {
    "make atlas": "sets up .venv; its recipe is read by `make --dry-run`",
    "make test": "runs this test",
    "make test-fast": "runs this test",
    "make lint": "runs mypy for a minute; test_project.py runs its parts",
    "make bench": "measures for minutes",
    "npm install": "downloads",
    "rsync -a": "writes into the folder of a web server",
    "find /var/www/atlas": "writes into the folder of a web server",
    "hf upload": "needs an account",
    "hash=": "is an assignment of the shell",
    "aws s3": "needs an account",
    "python -m clipheads.demo_world.world.make_sprites": "reads what npm has downloaded",
    "python docs/take_screenshots.py": "takes pictures of a finished site in a browser",
    "python docs/make_pictures.py": "takes pictures of a finished site in a browser",
    "head-atlas demo": "builds for minutes; test_pipeline.py runs its steps",
    "head-atlas ground-truth": "measures for minutes; test_ground_truth.py runs it on small ones",
    "head-atlas train-demo": "trains for an hour; test_training.py runs a few steps",
    "head-atlas bench": "measures for minutes",
    "head-atlas serve": "serves until it is stopped; test_serve.py runs it",
    "head-atlas build --model ViT-B-32_openai": "downloads weights, or reads a checkpoint of them",
    "head-atlas build --paper": "downloads the weights of six models",
    "head-atlas label --label-model": "asks OpenAI; test_incontext.py runs it on a local server",
    "head-atlas label --label-server": "needs a server; test_labelled_build.py runs one",
}
"""Commands that are not run, by how they begin, and why."""


def blocks(document: Path) -> list[tuple[str, str]]:
    """Language and content of each fenced block."""
    text = document.read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The command lines of a shell block, continued ones joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [" ".join(line.removeprefix(".venv/bin/").split()) for line in lines if line.strip()]


PYTHON_BLOCKS = [
    (document, code) for document in DOCUMENTS for language, code in blocks(document)
    if language == "python"
]  # fmt: skip
SHELL_LINES = [
    line
    for document in sorted(DOCUMENTS)
    for language, text in blocks(document)
    if language in {"", "sh", "bash"} and "─►" not in text
    for line in commands(text)
    if not line.startswith(("export ", "cd "))
]
EPILOGS = [
    line
    for command in app.registered_commands
    for line in re.findall(r"(head-atlas .*)", str(command.epilog))
]
INLINE = [
    line
    for document in sorted(DOCUMENTS)
    for line in re.findall(r"`(head-atlas [^`]+)`", document.read_text(encoding="utf-8"))
]
INLINE_CODE = [
    line
    for document in DOCUMENTS
    for line in re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8"))
]
COMMAND_LINES = list(dict.fromkeys([*SHELL_LINES, *EPILOGS, *INLINE]))


def why_not_run(line: str) -> str | None:
    return next((why for start, why in NOT_RUN.items() if line.startswith(start)), None)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_docstrings_give_what_they_show(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(importlib.import_module(module))

    assert result.attempted > 0
    assert result.failed == 0


def test_no_example_of_a_docstring_is_skipped() -> None:
    skipping = [
        path
        for package in PACKAGES
        for path in package.rglob("*.py")
        if "doctest: +SKIP" in path.read_text(encoding="utf-8")
    ]
    assert skipping == []


@pytest.mark.parametrize(
    ("document", "code"), PYTHON_BLOCKS, ids=[one.name for one, _ in PYTHON_BLOCKS]
)
def test_python_in_documents_runs_and_prints_what_its_comments_say(
    document: Path, code: str
) -> None:
    shown = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)

    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == shown


def test_the_readme_has_an_example_in_python() -> None:
    assert [document.name for document, _ in PYTHON_BLOCKS].count("README.md") == 1


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_documented_command_exists_and_takes_its_options(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        subprocess.run(["make", "--dry-run", words[1]], cwd=ROOT, capture_output=True, check=True)
    elif words[0] == "python":
        script = words[2].replace(".", "/") + ".py" if words[1] == "-m" else words[1]
        assert (ROOT / script).is_file() or (ROOT / "build" / script).is_file()
    elif words[0] == "head-atlas":
        parse(words[1:])
    else:
        assert why_not_run(line), f"what is {words[0]}?"


def parse(words: list[str]) -> None:
    """Parse a command line as the program does; one that only names a command may lack options."""
    group = typer.main.get_command(app)
    with group.make_context("head-atlas", list(words), resilient_parsing=False) as context:
        name, command, rest = group.resolve_command(context, list(words))  # type: ignore[attr-defined]
        with command.make_context(name, rest, parent=context, resilient_parsing=not rest):
            pass


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the documents take for granted, under the names that they use."""
    folder = tmp_path_factory.mktemp("workplace")
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for index in range(10):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{index}.png")
    (folder / "words.txt").write_text("a cat\na dog\nsomething red\n")
    (folder / "mine.csv").write_text("head,label\nL2.H1,colour\n")
    write_local_dir(folder / "my-clip", tiny_config())
    write_local_dir(folder / "data" / "training" / "demo-clip", tiny_config(), seed=1)
    write_local_dir(folder / "small" / "demo-clip", tiny_config(), seed=2)
    shutil.copytree(folder / "photos", folder / "data" / "demo-gallery")
    (folder / "data" / "demo").mkdir()
    (folder / "data" / "published").mkdir()
    for name in ("descriptions.csv", "topics.csv", "contrasts.csv", "words.csv"):
        shutil.copy(ROOT / "data" / "demo" / name, folder / "data" / "demo")
    return folder


@pytest.mark.usefixtures("few_published")
def test_documented_commands_run_as_they_are_written(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    runnable = [
        line for line in COMMAND_LINES if line.startswith("head-atlas ") and not why_not_run(line)
    ]
    # A bundle, and then a site, must be there before what reads them.
    order = ("build", "label", "figure", "site", "check", "audit", "models")
    names = [shlex.split(line)[1] for line in runnable]
    assert set(names) == set(order)

    # In place of `head-atlas demo`.
    demo = "head-atlas build --model local-dir:small/demo-clip --gallery photos/"
    for line in [demo, *sorted(runnable, key=lambda line: order.index(shlex.split(line)[1]))]:
        words = shlex.split(line)[1:]
        if words in (["build"], ["label"], ["figure"]):
            continue  # the name of the command, in a sentence
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, f"{line}: {result.output} {result.exception!r}"


def test_every_command_that_is_not_run_is_in_a_document() -> None:
    for start in NOT_RUN:
        assert any(line.startswith(start) for line in [*COMMAND_LINES, *INLINE_CODE]), start
