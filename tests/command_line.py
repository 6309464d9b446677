"""Runs the program in this process: what a user sees, without another import of torch.

`test_border.py` runs it as a program of its own, for what only that can show: signals, streams that
are closed, and the exit code that reaches the shell.
"""

import contextlib
import io
import subprocess
from pathlib import Path

import pytest

from headatlas.commands.border import main


def head_atlas(
    *arguments: str | Path, folder: Path | None = None, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run `head-atlas` with these arguments in a folder; of the environment, None removes."""
    words = ["head-atlas", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", words)
        for name, value in environment.items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        with (
            contextlib.chdir(folder or Path.cwd()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            main()
    assert isinstance(end.value.code, int)
    return subprocess.CompletedProcess(words, end.value.code, out.getvalue(), err.getvalue())
