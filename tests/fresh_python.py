"""Runs code in a fresh interpreter that has imported torch and nothing else of weight.

Importing torch takes longer than most of what is tested after it, so one interpreter does so once
and is forked for each run.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FORKING = """
import json, os, sys, traceback
import torch
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if not child:
        failed = 1
        try:
            for number, name in enumerate(("out", "err"), start=1):
                os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT), number)
            for name in [name for name in os.environ if name not in job["environment"]]:
                del os.environ[name]
            os.environ.update(job["environment"])
            exec(compile(job["code"], "<code>", "exec"), {"__name__": "__main__"})
            failed = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(failed)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _forking() -> subprocess.Popen[str]:
    """The interpreter that is forked; it ends when this process closes its input."""
    return subprocess.Popen(
        [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run_fresh(code: str, environment: Mapping[str, str]) -> str:
    """Run code with these variables of the environment and return what it printed.

    Raises AssertionError with what it complained about if it fails.
    """
    process = _forking()
    assert process.stdin is not None
    assert process.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        job = {"code": code, "environment": {**environment}, "out": str(out), "err": str(err)}
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "0\n", err.read_text()
        return out.read_text()
