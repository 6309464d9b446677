"""Whatever goes wrong ends in one line and an exit code; a bug says that it is one."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clipheads.bundle.errors import AtlasError
from headatlas.commands.border import exit_code

PROGRAM = [sys.executable, "-m", "headatlas"]


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*PROGRAM, *words], stderr=subprocess.PIPE, text=True, check=False, timeout=120, **options
    )


def raising(error: BaseException) -> int:
    def fail() -> None:
        raise error

    return exit_code(fail)


def one_line(said: str) -> str:
    lines = said.splitlines()
    assert len(lines) == 1, said
    return lines[0]


MENDABLE = {
    "missing file": (FileNotFoundError(errno.ENOENT, "No such file", "a/b.png"), "a/b.png: No"),
    "forbidden": (PermissionError(errno.EACCES, "Permission denied", b"a/b"), "a/b: Permission"),
    "full disk": (
        OSError(errno.ENOSPC, "No space left on device"),
        "No space left on device; make",
    ),
    "two files": (OSError(errno.EXDEV, "Cross-device link", "a", None, "b"), "a → b: Cross"),
    "without a number": (OSError("image file is truncated"), "image file is truncated"),
    "ours": (AtlasError("x.csv: no column head"), "x.csv: no column head"),
    "deep": (RecursionError("maximum recursion depth"), "nested too deeply"),
    "memory": (MemoryError(), "not enough memory"),
    "a device": (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "smaller --batch-size"),
    "tensors": (type("SafetensorError", (Exception,), {})("header too large"), "header too large"),
}


@pytest.mark.parametrize(("error", "words"), MENDABLE.values(), ids=MENDABLE)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    assert raising(error) == 2

    said = one_line(capsys.readouterr().err)
    assert said.startswith("head-atlas: ")
    assert words in said


def test_a_bug_says_so_with_its_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    from clipheads.maths.text_span import textspan

    assert exit_code(lambda: textspan([[1.0]], [[1.0, 2.0]])) == 1

    said = one_line(capsys.readouterr().err)
    assert "this is a bug in head-atlas: RuntimeError: " in said
    assert "(text_span.py, line " in said
    assert "--traceback" in said


def test_the_traceback_is_shown_when_it_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["head-atlas", "--traceback", "site"])

    assert raising(KeyError("x")) == 1

    assert "Traceback" in capsys.readouterr().err


def test_the_option_traceback_goes_before_the_command(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")

    assert "Traceback" in run("--traceback", "site", "--atlas", nowhere).stderr
    assert "Traceback" not in run("site", "--atlas", nowhere).stderr


def test_a_name_that_is_too_long_for_the_system_is_one_line(tmp_path: Path) -> None:
    for words in (["site", "--atlas"], ["check"], ["serve", "--dir"]):
        result = run(*words, str(tmp_path / ("x" * 300)))
        assert result.returncode == 2
        one_line(result.stderr)


@pytest.mark.parametrize(
    "module", ["typer", "rich.console", "clipheads.bundle.disk.record_files", "json"]
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_ctrl_c_while_the_program_is_loaded_is_one_line(module: str, wrapped: bool) -> None:
    # Modules in C turn what arises in them into an error of their own.
    interrupt = "ImportError('failed') from KeyboardInterrupt()" if wrapped else "KeyboardInterrupt"
    code = f"""
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise {interrupt}

sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, Finder())
from headatlas.commands.border import main
sys.argv = ["head-atlas", "label", "--atlas", "nowhere"]
main()
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert result.returncode == 130, result.stderr
    assert one_line(result.stderr) == "head-atlas: interrupted; what is finished is kept"


def test_the_border_itself_loads_nothing_slow() -> None:
    code = "import sys, headatlas.commands.border; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert not {"typer", "rich", "torch", "pydantic", "numpy"} & set(loaded.stdout.split())


def test_ctrl_c_in_a_running_command_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    code = (
        # A shell starts what runs in its background with SIGINT ignored, tests among them.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import headatlas.publish.serve as s\n"
        "def wait(*a): a[2]('ready'); import time; time.sleep(60)\n"
        "s.serve = wait\n"
        "from headatlas.commands.border import main\n"
        "main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code, "serve", "--dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert one_line(said) == "head-atlas: interrupted; what is finished is kept"


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python writes what is buffered again at its end, where nothing can catch the error."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.usefixtures("buffering")
@pytest.mark.parametrize("words", [["--help"], ["audit"]])
def test_output_to_a_full_disk_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        result = run(*words, stdout=full)

    assert result.returncode == 2
    assert one_line(result.stderr).startswith("head-atlas: No space left on device")


@pytest.mark.usefixtures("buffering")
@pytest.mark.parametrize("words", [["--help"], ["audit"]])
def test_a_reader_that_goes_away_ends_the_program_in_silence(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        result = run(*words, stdout=broken)

    assert (result.returncode, result.stderr) == (1, "")


def test_closed_standard_streams_are_no_error(tmp_path: Path) -> None:
    program = " ".join(f"'{word}'" for word in PROGRAM)
    for command, code in (("audit >&-", 0), (f"site --atlas {tmp_path}/no 2>&-", 2)):
        ran = subprocess.run(
            f"{program} {command}", shell=True, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (code, "")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_of_another_encoding_is_no_error(tmp_path: Path, encoding: str) -> None:
    bare = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}

    audit = run("audit", stdout=subprocess.DEVNULL, env=bare)
    missing = run("site", "--atlas", str(tmp_path / "猫🐈"), env=bare)

    assert (audit.returncode, audit.stderr) == (0, "")
    assert missing.returncode == 2
    assert r"\u732b\U0001f408" in one_line(missing.stderr)


def test_names_of_files_cannot_command_the_terminal(tmp_path: Path) -> None:
    site = tmp_path / "\x1b]0;title\x07\x1b[31mred\n\u202esite"
    site.mkdir()
    (site / "index.html").write_text("<p>no page</p>")
    (site / "\x1b[2J.html").write_text("<p>no page</p>")
    found = run("check", str(site), stdout=subprocess.PIPE)
    missing = run("check", str(site / "no"), stdout=subprocess.PIPE)

    assert found.returncode == 1
    assert r"\x1b[2J.html" in found.stdout
    assert r"\x1b]0;title\x07\x1b[31mred\n\u202esite" in one_line(missing.stderr)
    for char in "\x1b\x07\u202e":
        assert char not in found.stdout + found.stderr + missing.stdout + missing.stderr
