"""The workflow that publishes the demo: what it runs exists, and what it uses cannot change."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from command_line import head_atlas

ROOT = Path(__file__).parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/pages.yml").read_text("utf-8"))
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
RUN = [shlex.split(step["run"]) for step in STEPS if "run" in step]


def test_actions_are_pinned_to_a_commit():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert [
        action for action in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action)
    ] == []


def test_each_step_is_a_target_of_the_makefile_or_a_command():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for program, command, *_ in RUN:
        assert program in ("make", ".venv/bin/head-atlas")
        if program == "make":
            assert command in targets


@pytest.mark.parametrize("words", [words for words in RUN if words[0] != "make"])
def test_commands_know_the_options_that_they_are_given(words):
    _, command, *arguments = words
    shown = head_atlas(command, "--help").stdout
    for option in arguments:
        assert not option.startswith("--") or option in shown


def test_only_the_job_that_publishes_may_write():
    rights = {name: job["permissions"] for name, job in WORKFLOW["jobs"].items()}
    assert WORKFLOW["permissions"] == {"contents": "read"}
    writing = [name for name, right in rights.items() if "write" in right.values()]
    assert writing == ["deploy"]
    assert "pull_request" in WORKFLOW["jobs"]["deploy"]["if"]
