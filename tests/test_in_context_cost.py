"""The dry run of in-context labels counts what a run would ask, and asks nothing."""

from pathlib import Path

import pytest
from in_context_runs import HEADS, Recorder, run
from misbehaving_server import (
    MisbehavingServer,
    say,
)

from clipheads.labels.chat.settings import ChatSettings
from clipheads.labels.in_context import ask_matching
from clipheads.labels.in_context_cost import CallEstimate, estimate_calls


def test_the_dry_run_counts_what_a_run_then_asks(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimate() -> CallEstimate:
        with monkeypatch.context() as bare:
            bare.delenv("OPENAI_API_KEY")
            return estimate_calls(HEADS | {"empty": []}, "test-model", tmp_path)

    before = estimate()
    assert (before.label_calls, before.judge_calls) == (6, 6)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []

    labels = run(server, tmp_path)
    sent = [request.body["messages"] for request in server.requests]
    characters = sum(len(message["content"]) for messages in sent for message in messages)
    between = estimate()
    assert (between.label_calls, between.judge_calls) == (0, 6)
    labelling = before.prompt_tokens - between.prompt_tokens
    assert characters / 4 < labelling < characters / 4 * 1.5

    ask_matching(
        {head: (str(label.text), HEADS[head]) for head, label in labels.items()},
        ChatSettings(model="test-model", server=server.url),
        tmp_path,
        Recorder(),
    )
    assert len(server.requests) == before.label_calls + before.judge_calls
    assert estimate() == CallEstimate(0, 0, 0, 0)


def test_the_dry_run_counts_no_judgement_of_a_head_known_to_have_no_label(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.always = say('{"reason": "", "label": null}')
    run(server, tmp_path)
    assert estimate_calls(HEADS, "test-model", tmp_path) == CallEstimate(0, 0, 0, 0)
