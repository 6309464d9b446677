"""From a manifest to scores by the command line, with a label server that misbehaves."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from checkpoints import tiny_config, write_local_dir
from command_line import head_atlas
from misbehaving_server import (
    KEY,
    Act,
    MisbehavingServer,
    Request,
    answer_well,
    drop,
    fail,
    hang,
    say,
)
from PIL import Image

from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord

POOL = ("red colour", "blue colour", "green colour", "cat animal", "dog animal", "bird animal",
        "two count", "three count", "four count", "dots pattern", "stripes pattern")  # fmt: skip


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    write_local_dir(tmp_path / "tiny", tiny_config(layers=5))
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    rows = [f"photos/{index}.png,Picture {index},Ann,CC0" for index in range(12)]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,title,credit,licence", *rows]))
    pairs = [f"{text},{text.split()[1]}" for text in POOL]
    (tmp_path / "pool.csv").write_text("\n".join(["text,property", *pairs]))
    return tmp_path


def words(server: MisbehavingServer, command: str, *options: str) -> list[str]:
    asking = ["--labeller", "openai", "--label-model", "test-model", "--concurrency", "1"]
    asking += ["--label-server", server.url, "--answers", "answers", "--atlas", "atlas"]
    return [command, *asking, *options]


def run(server: MisbehavingServer, inputs: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return head_atlas(*words(server, *command), folder=inputs, OPENAI_API_KEY=KEY)


def finish(server: MisbehavingServer, inputs: Path, *command: str) -> str:
    result = run(server, inputs, *command)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def start(server: MisbehavingServer, inputs: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "headatlas", *words(server, *command)],
        cwd=inputs,
        env={**os.environ, "OPENAI_API_KEY": KEY},
    )


BUILD = ("build", "--model", "local-dir:tiny", "--gallery", "manifest.csv", "--device", "cpu",
         "--descriptions", "pool.csv")  # fmt: skip


def test_a_build_killed_among_its_labels_goes_on_and_asks_nothing_twice(inputs: Path) -> None:
    script: list[Act] = [
        fail(429, "slow down", retry_after=0.1),
        answer_well,
        drop,
        answer_well,
        say("that is no JSON"),
        answer_well,
        hang,
    ]
    failed: Counter[str] = Counter()

    def act(handler: object, request: Request) -> None:
        chosen = script.pop(0) if script else answer_well
        failed[request.question] += chosen is not answer_well
        chosen(handler, request)  # type: ignore[arg-type]

    with MisbehavingServer(always=act) as server:
        first = start(server, inputs, *BUILD)
        while script and first.poll() is None:
            time.sleep(0.02)
        first.kill()
        first.wait()
        assert not script
        assert not (inputs / "atlas" / "tiny" / "model.json").exists()

        said = finish(server, inputs, *BUILD)
        counts = server.requests_by_question()
        again = finish(server, inputs, *BUILD)
        label = finish(server, inputs, "label", "tiny")

        assert "built labels, answers, search, records" in said
        assert "nothing to do" in again
        assert "tiny, labels of 10 heads: 0 set, 0 cleared, 10 unchanged" in label
        assert server.requests_by_question() == counts
    assert counts == Counter({question: failed[question] + 1 for question in counts})
    assert sum(failed.values()) == 4

    folder = inputs / "atlas" / "tiny"
    model = ModelRecord.model_validate_json((folder / "model.json").read_bytes())
    heads = [
        HeadRecord.model_validate_json((folder / "heads" / f"{head.id}.json").read_bytes())
        for head in model.heads
    ]
    names = [head.descriptions[0].text.split()[1] for head in heads]
    assert [head.label.text for head in heads] == names
    scored = [head for head in heads if head.layer >= 1]
    bearers = Counter(head.label.text for head in scored)
    telling = [sum(head.label.text in one.text for one in head.descriptions) for head in scored]  # type: ignore[operator]
    assert model.scores.heads == len(scored) == 8
    assert model.scores.entanglement.count == sum(bearers[head.label.text] > 1 for head in scored)
    assert model.scores.association.count == sum(count >= 3 for count in telling)
    assert (model.labeller.kind, model.labeller.model) == ("openai", "test-model")
    for path in inputs.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert KEY not in said + again + label


def test_a_dry_run_counts_and_asks_nothing(inputs: Path) -> None:
    with MisbehavingServer() as server:
        finish(server, inputs, *BUILD)
        before = len(server.requests)
        done = finish(server, inputs, "label", "--dry-run")
        other = finish(server, inputs, "label", "--dry-run", "--answers", "elsewhere")

        assert len(server.requests) == before
    assert done.startswith("0 questions for labels and at most 0 for the association score")
    assert other.startswith("10 questions for labels and at most 10 for the association score")


def test_a_server_whose_answers_are_all_broken_changes_no_label(inputs: Path) -> None:
    with MisbehavingServer() as server:
        finish(server, inputs, *BUILD)
        folder = inputs / "atlas"
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        server.always = say("that is no JSON")
        result = run(server, inputs, "label", "--answers", "elsewhere")

    assert result.returncode == 2
    assert (
        "no question about a label got an answer (L0.H0: The answer is not JSON)" in result.stderr
    )
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_build_without_a_key_stops_before_it_computes(inputs: Path) -> None:
    result = head_atlas(
        *BUILD, "--labeller", "openai", "--answers", "answers", "--atlas", "atlas",
        folder=inputs, OPENAI_API_KEY=None,
    )  # fmt: skip

    assert result.returncode == 2
    assert result.stderr.startswith("head-atlas: OPENAI_API_KEY is not set")
    assert not (inputs / "atlas").exists()
