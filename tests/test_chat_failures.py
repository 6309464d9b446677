"""The real client against a server that fails: what is retried, what is not, what is said."""

import json
import re
from pathlib import Path

import pytest
from in_context_runs import ESCAPED, HEADS, Recorder, run
from misbehaving_server import (
    KEY,
    Act,
    MisbehavingServer,
    completion,
    drop,
    fail,
    flood,
    hang,
    know_only,
    label,
    leave,
    reply,
    say,
)

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import Label

PASSING: dict[str, list[Act]] = {
    "rate limits": [fail(429, "slow down"), fail(429, "slow down")],
    "errors of the server": [fail(500), fail(503)],
    "dropped connections": [drop, drop],
    "a timeout": [hang],
}


@pytest.mark.parametrize("acts", PASSING.values(), ids=PASSING)
def test_a_passing_trouble_is_asked_again(
    server: MisbehavingServer, tmp_path: Path, acts: list[Act]
) -> None:
    troubles = len(acts)
    server.acts["kind2"] = list(acts)
    labels = run(server, tmp_path, timeout=1.0)
    assert labels["L11.H2"].text == "kind2"
    counts = server.requests_by_question()
    assert max(counts.values()) == troubles + 1
    assert sum(counts.values()) == len(HEADS) + troubles


def test_the_server_is_left_alone_as_long_as_it_asks(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [fail(429, retry_after=0.2)]
    assert run(server, tmp_path)["L11.H2"].text == "kind2"
    assert server.came_early == 0
    assert len(server.requests) == len(HEADS) + 1


LASTING: dict[str, tuple[Act, str]] = {
    "rate limit": (fail(429, "slow down"), "The server answered 429: slow down (asked 3 times)."),
    "error of the server": (fail(500), "The server answered 500: it went wrong (asked 3 times)."),
    "timeout": (hang, "The server did not answer within 0.4 s (asked 3 times)."),
    "dropped connection": (drop, "The server dropped the connection (asked 3 times)."),
}


def test_when_retries_are_used_up_the_head_has_no_label_and_the_rest_goes_on(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    heads = HEADS | {case: [f"<{case}> of some kind"] for case in LASTING}
    server.acts = {f"<{case}>": [act] * 3 for case, (act, _) in LASTING.items()}
    progress = Recorder()
    labels = run(server, tmp_path, heads, timeout=0.4, concurrency=4, progress=progress)
    for case, (_, reason) in LASTING.items():
        assert labels[case] == Label(text=None, confidence=None, reason=reason)
    assert [labels[head].text for head in HEADS] == [f"kind{index}" for index in range(6)]
    assert progress.done == len(heads)
    assert len(progress.notes) == 1
    assert progress.notes[0].startswith("labels: 4 of 10 heads got no answer (")

    # The queues are empty now: the second run mends these heads, and asks for nothing else.
    before = len(server.requests)
    labels = run(server, tmp_path, heads)
    assert all(label.text is not None for label in labels.values())
    assert len(server.requests) == before + len(LASTING)


FINAL: dict[str, tuple[Act, str]] = {
    "refusal": (say(None, refusal="I cannot help."), "The model refused: I cannot help."),
    "content filter": (say(None, finish_reason="content_filter"), "content filter"),
    "cut off": (say('{"reason": "They', finish_reason="length"), "cut off"),
    "broken JSON": (say('{"reason": "x", "label": "col'), "not JSON"),
    "prose": (say("The label is colour."), "not JSON"),
    "another form": (say('{"name": "colour"}'), "another form"),
    "a number": (label(7), "another form"),
    "nothing": (say(""), "The answer is empty."),
    "empty label": (label(""), "label is empty"),
    "label of punctuation": (label(" .. "), "label is empty"),
    "three sentences": (label("It is red. It is blue. It is green."), "more than a name"),
    "three short sentences": (label("Red. Blue. Green"), "more than a name"),
    "a long label": (label("things that are red or blue"), "6 words"),
    "body that is not JSON": (reply("{oops"), "reply is not JSON"),
    "page of HTML": (reply("<html>", "text/html"), "reply is not JSON"),
    "no choices": (reply('{"object": "chat.completion"}'), "not a chat completion"),
    "choices that are a number": (reply('{"choices": 7}'), "not a chat completion"),
    "choices that are an object": (reply('{"choices": {"0": 1}}'), "not a chat completion"),
    "no choice": (reply('{"choices": []}'), "not a chat completion"),
    "a choice that is null": (reply('{"choices": [null]}'), "not a chat completion"),
    "a message that is a list": (reply('{"choices": [{"message": []}]}'), "not a chat completion"),
    "content that is a list": (
        reply('{"choices": [{"message": {"content": ["colour"]}}]}'),
        "not a chat completion",
    ),
    "a list": (reply("[]"), "not a chat completion"),
    "nothing at all": (reply(""), "not JSON"),
    "deep reply": (reply("[" * 200_000), "not JSON"),
    "deep answer": (say('{"label":' * 50_000), "not JSON"),
    "half a character": (reply(json.dumps(completion("{\ud800"))), "not JSON"),
    "a long word": (label("x" * 61), "61 characters"),
    "a label of a megabyte": (label("x" * 900_000), "900000 characters"),
    "a large reply": (label("x" * 2_000_000), "larger than 1 MB"),
    "a reply without end": (flood(200), "larger than 1 MB"),
    "an error without end": (flood(400), "larger than 1 MB"),
    "odd fields of an error": (fail(400, ["x"], code=[1], type={"a": 1}, param=3), "400"),  # type: ignore[arg-type]
    "deep error": (
        lambda handler, _request: handler.send(400, '{"error":' * 100_000),
        "The server answered 400",
    ),
    "the key in escapes": (say(f'{{"reason": "{ESCAPED}", "label": "x"}}'), "repeats the key"),
    "the key in escaped escapes": (
        say(json.dumps({"reason": ESCAPED, "label": "x"})),
        "repeats the key",
    ),
    "a refusal that asks to be repeated": (
        lambda handler, _request: handler.send(
            400, {"error": {"message": "no"}}, {"x-should-retry": "true"}
        ),
        "The server answered 400: no.",
    ),
    "request refused": (fail(400, "too long"), "The server answered 400: too long."),
    "a wait of a day": (fail(429, "come back", retry_after=86400), "asks to wait 86400 s"),
    "a wait of three minutes": (fail(503, "later", retry_after=180), "asks to wait 180 s"),
    "a wait until a day": (
        fail(429, "later", retry_after="Fri, 01 Jan 2199 00:00:00 GMT"),
        "asks to wait until Fri, 01 Jan 2199 00:00:00 GMT",
    ),
}


def test_an_unusable_answer_leaves_its_head_unlabelled_until_the_next_run(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    heads = HEADS | {case: [f"<{case}> of some kind"] for case in FINAL}
    server.acts = {f"<{case}>": [act] for case, (act, _) in FINAL.items()}
    labels = run(server, tmp_path, heads)
    for case, (_, reason) in FINAL.items():
        assert (case, labels[case].text) == (case, None)
        assert (case, reason in labels[case].reason) == (case, True), labels[case].reason
        assert "\n" not in labels[case].reason
    assert [labels[head].text for head in HEADS] == [f"kind{index}" for index in range(6)]
    # Asking again at once would give the same: each was asked once, and then once more.
    assert set(server.requests_by_question().values()) == {1}
    labels = run(server, tmp_path, heads)
    assert all(label.text is not None for label in labels.values())
    assert len(server.requests) == len(heads) + len(FINAL)


@pytest.mark.parametrize("forms", [("json_object",), ("text",)])
def test_a_server_without_schemas_is_asked_in_a_form_that_it_knows(
    server: MisbehavingServer, tmp_path: Path, forms: tuple[str, ...]
) -> None:
    server.always = know_only(*forms)
    labels = run(server, tmp_path, concurrency=1)
    assert all(label.text is not None for label in labels.values())
    # What the server does not know is learnt once, not for each head.
    steps = {"json_object": 1, "text": 2}[forms[0]]
    assert len(server.requests) == len(HEADS) + steps
    assert "JSON" in server.requests[-1].body["messages"][0]["content"]


@pytest.mark.usefixtures("chat_environment")
def test_a_server_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    with MisbehavingServer() as gone:
        pass
    progress = Recorder()
    with pytest.raises(AtlasError) as caught:
        run(gone, tmp_path, progress=progress)
    assert str(caught.value).startswith(f"{gone.url}: the label server cannot be reached (")
    assert "\n" not in str(caught.value)
    assert progress.notes == []


def test_a_server_that_goes_away_is_one_line_and_what_it_answered_is_kept(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind1"] = [leave]
    progress = Recorder()
    with pytest.raises(AtlasError, match=r"cannot be reached .*; answers so far are kept"):
        run(server, tmp_path, concurrency=1, progress=progress)
    assert (len(server.requests), progress.done, progress.notes) == (2, 2, [])
    with MisbehavingServer() as another:
        assert all(one.text is not None for one in run(another, tmp_path).values())
        assert len(another.requests) == len(HEADS) - 2


EVERYWHERE: dict[str, tuple[Act, str]] = {
    "key": (fail(401, f"Incorrect API key provided: {KEY}."), "OPENAI_API_KEY"),
    "model": (fail(404, "no such model", code="model_not_found"), "no model 'test-model'"),
    "quota": (fail(429, "pay first", code="insufficient_quota"), "no quota left"),
    "temperature": (fail(400, "only 1", param="temperature"), "does not take the temperature 0"),
}


@pytest.mark.parametrize(("act", "line"), EVERYWHERE.values(), ids=EVERYWHERE)
def test_what_would_stop_every_head_stops_the_run_with_one_line(
    server: MisbehavingServer, tmp_path: Path, act: Act, line: str
) -> None:
    server.always = act
    with pytest.raises(AtlasError, match=re.escape(line)) as caught:
        run(server, tmp_path, concurrency=2)
    assert "\n" not in str(caught.value)
    assert len(server.requests) <= 2, "those under way when the first one failed"
