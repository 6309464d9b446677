"""Two runs never change one folder at once."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipheads.bundle.disk.locking import locked
from clipheads.bundle.errors import AtlasError

HOLD = """
import sys, time
from pathlib import Path
from clipheads.bundle.disk.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_run_is_refused_in_one_line_and_the_next_is_not(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(AtlasError, match="in use by another run of head-atlas"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_a_killed_run_sets_its_lock_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AtlasError, match="another run"), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        time.sleep(0.05)
        with locked(tmp_path):
            pass


def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(AtlasError, match="cannot be locked"),
        locked(tmp_path / "file"),
    ):
        pass
