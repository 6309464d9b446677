"""Labels by in-context learning: the real client against a server that misbehaves."""

import asyncio
import json
import logging
import re
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from misbehaving_server import (
    KEY,
    Act,
    Asked,
    MisbehavingServer,
    answer_well,
    completion,
    drop,
    fail,
    flood,
    hang,
    know_only,
    label,
    leave,
    redirect,
    reply,
    say,
    trickle,
    trickle_headers,
)

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import Label
from clipheads.bundle.progress import Advance
from clipheads.labels import in_context as incontext
from clipheads.labels.chat import LARGEST_REPLY, LONGEST_WAIT, retry_after, retry_delay
from clipheads.labels.in_context import (
    LONGEST_LABEL,
    LONGEST_REASON,
    PROMPT_VERSION,
    CallEstimate,
    ensure_askable,
    estimate_calls,
    in_context_record,
    judge_heads_in_context,
    label_heads_in_context,
    name_heads_in_context,
)
from clipheads.texts.pools import Description, read_descriptions

HEADS = {f"L11.H{place}": [f"number {place} of kind{place}", "a cat"] for place in range(6)}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        yield running


class Recorder:
    """A progress that keeps what it is told, and can be made to fail."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.done = 0
        self.total = 0
        self.notes: list[str] = []
        self._fail_at = fail_at

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Open a stage and remember how long it is."""
        self.total = total
        yield self._advance

    def note(self, message: str) -> None:
        """Keep the line."""
        self.notes.append(message)

    def _advance(self, steps: int) -> None:
        self.done += steps
        if self._fail_at is not None and self.done >= self._fail_at:
            raise KeyboardInterrupt


def run(
    server: MisbehavingServer,
    cache: Path,
    heads: dict[str, list[str]] | None = None,
    *,
    concurrency: int = 2,
    timeout: float = 5.0,
    retries: int = 2,
    progress: Recorder | None = None,
) -> dict[str, Label]:
    return label_heads_in_context(
        HEADS if heads is None else heads,
        model="test-model",
        base_url=server.url,
        cache=cache,
        concurrency=concurrency,
        timeout=timeout,
        retries=retries,
        backoff=0.01,
        progress=progress,
    )


def test_each_head_is_asked_once_at_temperature_zero_with_a_strict_schema(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    progress = Recorder()
    labels = run(server, tmp_path, progress=progress)
    assert list(labels) == list(HEADS)
    assert [one.text for one in labels.values()] == [f"kind{place}" for place in range(6)]
    assert labels["L11.H3"] == Label(text="kind3", confidence=None, reason="They say kind3.")
    assert (progress.done, progress.total, progress.notes) == (6, 6, [])
    assert set(server.times_asked().values()) == {1}
    body = server.requests[0].body
    assert (body["model"], body["temperature"]) == ("test-model", 0)
    form = body["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    schema = form["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(schema["properties"]) == ["label", "reason"]
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", *["user", "assistant"] * 5, "user"]


def test_a_repeated_run_asks_nothing_and_needs_no_key(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(server, tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run(server, tmp_path) == first
    assert len(server.requests) == len(HEADS)


def test_another_model_or_prompt_version_is_asked_anew(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = {"L0.H0": ["a red car"]}
    run(server, tmp_path, head)
    label_heads_in_context(head, model="another", base_url=server.url, cache=tmp_path)
    monkeypatch.setattr(incontext, "PROMPT_VERSION", "next")
    run(server, tmp_path, head)
    assert [asked.body["model"] for asked in server.requests] == [
        "test-model",
        "another",
        "test-model",
    ]


def test_heads_with_the_same_descriptions_share_one_question(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    progress = Recorder()
    labels = run(server, tmp_path, {"L0.H0": ["a", "b"], "L0.H1": ["a", "b"]}, progress=progress)
    assert labels["L0.H0"] == labels["L0.H1"]
    assert (len(server.requests), progress.done) == (1, 2)


def test_a_head_without_descriptions_is_not_asked_about(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    labels = run(server, tmp_path, {"L0.H0": []})
    assert labels["L0.H0"].text is None
    assert "does not vary" in labels["L0.H0"].reason
    assert server.requests == []


def test_a_damaged_file_of_the_cache_is_asked_anew(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    first = run(server, tmp_path)
    files = sorted(tmp_path.rglob("*.json"))
    files[0].write_text('{"answer": "{"', encoding="utf-8")
    files[1].write_bytes(b"\xff")
    assert run(server, tmp_path) == first
    assert len(server.requests) == len(HEADS) + 2


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
    asked = server.times_asked()
    assert max(asked.values()) == troubles + 1
    assert sum(asked.values()) == len(HEADS) + troubles


def test_the_server_is_left_alone_as_long_as_it_asks(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [fail(429, retry_after=1)]
    assert run(server, tmp_path)["L11.H2"].text == "kind2"
    assert server.came_early == 0
    assert len(server.requests) == len(HEADS) + 1


LASTING: dict[str, tuple[Act, str]] = {
    "rate limit": (fail(429, "slow down"), "The server answered 429: slow down (asked 3 times)."),
    "error of the server": (fail(500), "The server answered 500: it went wrong (asked 3 times)."),
    "timeout": (hang, "The server did not answer within 1 s (asked 3 times)."),
    "dropped connection": (drop, "The server dropped the connection (asked 3 times)."),
}


def test_when_retries_are_used_up_the_head_has_no_label_and_the_rest_goes_on(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    heads = HEADS | {case: [f"<{case}> of some kind"] for case in LASTING}
    server.acts = {f"<{case}>": [act] * 3 for case, (act, _) in LASTING.items()}
    progress = Recorder()
    labels = run(server, tmp_path, heads, timeout=1.0, progress=progress)
    for case, (_, reason) in LASTING.items():
        assert labels[case] == Label(text=None, confidence=None, reason=reason)
    assert [labels[head].text for head in HEADS] == [f"kind{place}" for place in range(6)]
    assert progress.done == len(heads)
    assert len(progress.notes) == 1
    assert progress.notes[0].startswith("labels: 4 of 10 heads got no answer (")

    # The queues are empty now: the second run mends these heads, and asks for nothing else.
    before = len(server.requests)
    labels = run(server, tmp_path, heads)
    assert all(one.text is not None for one in labels.values())
    assert len(server.requests) == before + len(LASTING)


ESCAPED = "".join(f"\\u{ord(char):04x}" for char in KEY)

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
        lambda handler, _asked: handler.send(400, '{"error":' * 100_000),
        "The server answered 400",
    ),
    "the key in escapes": (say(f'{{"reason": "{ESCAPED}", "label": "x"}}'), "repeats the key"),
    "the key in escaped escapes": (
        say(json.dumps({"reason": ESCAPED, "label": "x"})),
        "repeats the key",
    ),
    "request refused": (fail(400, "too long"), "The server answered 400: too long."),
    "a wait of a day": (fail(429, "come back", retry_after=86400), "asks to wait 86400 s"),
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
    assert [labels[head].text for head in HEADS] == [f"kind{place}" for place in range(6)]
    # Asking again at once would give the same: each was asked once, and then once more.
    assert set(server.times_asked().values()) == {1}
    labels = run(server, tmp_path, heads)
    assert all(one.text is not None for one in labels.values())
    assert len(server.requests) == len(heads) + len(FINAL)


def test_what_the_key_is_hidden_in_is_not_kept_either(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.always = say(f'{{"reason": "{ESCAPED}", "label": "colour"}}')

    labels = run(server, tmp_path)

    assert {one.text for one in labels.values()} == {None}
    assert list(tmp_path.rglob("*.json")) == []


def test_a_long_reason_is_cut_and_freed_of_what_a_reader_cannot_see(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [say(json.dumps({"reason": "so " * 200_000, "label": "colour"}))]
    server.acts["kind3"] = [
        say(json.dumps({"reason": "\x1b[31mred\u202e\n.", "label": "co\u200blo\x1bur"}))
    ]

    labels = run(server, tmp_path)

    assert len(labels["L11.H2"].reason) <= LONGEST_REASON
    assert labels["L11.H2"].reason.endswith("…")
    assert labels["L11.H3"] == Label(text="colo ur", confidence=None, reason="[31mred .")


WITHOUT_END: dict[str, Act] = {
    "no answer": hang,
    "a body that trickles": trickle,
    "headers that trickle": trickle_headers,
}


@pytest.mark.parametrize("act", WITHOUT_END.values(), ids=WITHOUT_END)
def test_a_server_that_comes_to_no_end_is_given_up(
    server: MisbehavingServer, tmp_path: Path, act: Act
) -> None:
    server.always = act
    heads = {f"L0.H{index}": [f"text {index}"] for index in range(40)}
    started = time.monotonic()

    with pytest.raises(AtlasError, match=r"did not answer 7 requests in a row within 0\.3 s each"):
        run(server, tmp_path, heads, timeout=0.3, retries=5)

    assert len(server.requests) <= 8
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("act", [trickle, trickle_headers], ids=["body", "headers"])
def test_one_answer_that_trickles_is_asked_for_again(
    server: MisbehavingServer, tmp_path: Path, act: Act
) -> None:
    server.acts["kind2"] = [act]

    assert run(server, tmp_path, timeout=1.0)["L11.H2"].text == "kind2"


def test_no_more_of_a_reply_is_read_than_an_answer_may_have(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.always = flood(200)

    run(server, tmp_path, {"L0.H0": ["a"]}, retries=0)

    assert server.sent < 20 * LARGEST_REPLY  # what lies in buffers between


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_questions_follow_no_redirect(
    server: MisbehavingServer, tmp_path: Path, status: int
) -> None:
    with MisbehavingServer() as other:
        server.always = redirect(status, other.url + "/chat/completions")
        with pytest.raises(AtlasError, match="questions are not sent on"):
            run(server, tmp_path)

        assert other.requests == []
    assert len(server.requests) <= 2


def test_labels_are_asked_for_from_a_notebook(server: MisbehavingServer, tmp_path: Path) -> None:
    async def cell() -> dict[str, Label]:
        return run(server, tmp_path)

    assert asyncio.run(cell())["L11.H2"].text == "kind2"


def test_a_run_without_any_answer_is_an_error_and_no_labels(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.always = say("the label is colour")
    heads = {"L0.H0": [Description("a red car", None)], "L0.H1": []}

    with pytest.raises(AtlasError, match=r"no question about a label got an answer \(L0\.H0: "):
        name_heads_in_context(heads, cache=tmp_path, base_url=server.url)


def test_heads_without_an_answer_are_named_beside_the_labels(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["blue"] = [say("the label is colour")]
    heads = {
        "L0.H0": [Description("a red car", None)],
        "L0.H1": [Description("a blue car", None)],
        "L0.H2": [],
    }

    named = name_heads_in_context(heads, cache=tmp_path, base_url=server.url)

    assert named.unanswered == {"L0.H1": "The answer is not JSON."}


def test_a_missing_key_is_found_before_a_long_computation(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = tmp_path / "answers"
    ensure_askable(server.url, answers)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(AtlasError, match="OPENAI_API_KEY is not set"):
        ensure_askable(server.url, answers)
    with pytest.raises(AtlasError, match="no web address"):
        ensure_askable("http://two words/", answers)

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    run(server, answers)
    monkeypatch.delenv("OPENAI_API_KEY")
    ensure_askable(server.url, answers)


def test_no_property_in_common_is_an_answer_and_is_kept(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [say('{"reason": "Nothing is shared.", "label": null}')]
    progress = Recorder()
    labels = run(server, tmp_path, progress=progress)
    assert labels["L11.H2"] == Label(text=None, confidence=None, reason="Nothing is shared.")
    assert run(server, tmp_path) == labels
    assert (len(server.requests), progress.notes) == (6, [])


def test_a_label_is_freed_of_quotes_and_full_stop(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.acts["kind2"] = [label(' "Body  parts." ')]
    assert run(server, tmp_path)["L11.H2"].text == "Body parts"


@pytest.mark.parametrize("forms", [("json_object",), ("text",)])
def test_a_server_without_schemas_is_asked_in_a_form_that_it_knows(
    server: MisbehavingServer, tmp_path: Path, forms: tuple[str, ...]
) -> None:
    server.always = know_only(*forms)
    labels = run(server, tmp_path, concurrency=1)
    assert all(one.text is not None for one in labels.values())
    # What the server does not know is learnt once, not for each head.
    steps = {"json_object": 1, "text": 2}[forms[0]]
    assert len(server.requests) == len(HEADS) + steps
    assert "JSON" in server.requests[-1].body["messages"][0]["content"]


def test_json_in_a_fence_is_read(server: MisbehavingServer, tmp_path: Path) -> None:
    server.acts["kind2"] = [say('Sure:\n```json\n{"reason": "x", "label": "colour"}\n```')]
    assert run(server, tmp_path)["L11.H2"].text == "colour"


def test_an_interrupted_run_is_resumed_and_no_answer_is_asked_for_twice(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    heads = {f"L11.H{place}": [f"text {place}"] for place in range(16)}
    with pytest.raises(KeyboardInterrupt):
        run(server, tmp_path, heads, progress=Recorder(fail_at=5), concurrency=3)
    before = len(server.requests)
    assert 4 <= before < 16
    # What was under way when the run was stopped has been kept too.
    assert len(list(tmp_path.rglob("*.json"))) == before
    labels = run(server, tmp_path, heads)
    assert all(one.text is not None for one in labels.values())
    assert server.times_asked() == {f"1. text {place}": 1 for place in range(16)}


def test_a_wait_for_a_retry_is_cut_short_by_an_interruption(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    waiting = threading.Event()

    def limit(handler: object, asked: Asked) -> None:
        fail(429, retry_after=LONGEST_WAIT)(handler, asked)  # type: ignore[arg-type]
        waiting.set()

    def answer_later(handler: object, asked: Asked) -> None:
        waiting.wait(10)
        answer_well(handler, asked)  # type: ignore[arg-type]

    server.acts["first"] = [limit]
    server.acts["second"] = [answer_later]
    finished = threading.Event()

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            run(server, tmp_path, {"a": ["first"], "b": ["second"]}, progress=Recorder(fail_at=1))
        finished.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert finished.wait(LONGEST_WAIT / 2)


def test_no_more_requests_at_once_than_allowed(server: MisbehavingServer, tmp_path: Path) -> None:
    # Each of three must be there for any to be answered; a fourth would be seen.
    together = threading.Barrier(3, timeout=10)

    def meet(handler: object, asked: Asked) -> None:
        together.wait()
        answer_well(handler, asked)  # type: ignore[arg-type]

    server.always = meet
    labels = run(server, tmp_path, timeout=15, concurrency=3)
    assert all(one.text is not None for one in labels.values())
    assert server.most_at_once == 3


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


@pytest.mark.parametrize("key", [None, "", "  ", "sk with space", "sk-“quoted”", "sk\n-two"])
def test_a_missing_or_impossible_key_is_one_line_that_does_not_repeat_it(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(AtlasError, match=r"^OPENAI_API_KEY") as caught:
        run(server, tmp_path)
    assert not (key or "").strip() or (key or "") not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "ftp://host/v1",
        "http://",
        "http://[",
        "http://[x/v1",
        "http://host:99999/v1",
        "http://host:x/v1",
        "http://host/v1\n",
        "http://ho\nst/v1",
        "http://two words/v1",
        "http://host\\@other/v1",
        "http://a..b/v1",
        "http://\x1b[31m/v1",
        f"http://{'x' * 300}/v1",
        "http://\ud800/v1",
    ],
)
def test_a_base_url_that_is_none_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(AtlasError, match="no web address"):
        label_heads_in_context({"a": ["b"]}, base_url=url, cache=tmp_path)


def test_the_base_url_of_the_environment_is_used(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    labels = label_heads_in_context({"a": ["a red colour"]}, cache=tmp_path)
    assert labels["a"].text == "colour"


def test_the_key_is_nowhere_in_what_is_written_or_printed(
    server: MisbehavingServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.acts = {
        "kind0": [say(json.dumps({"reason": f"You sent {KEY}.", "label": "colour"}))],
        "kind1": [label(KEY)],
        "kind2": [fail(400, f"bad key {KEY}")],
        "kind3": [fail(500, f"bad key {KEY}")] * 3,
        "kind4": [say(None, refusal=f"not for {KEY}")],
        "kind5": [say(f"{KEY} is not JSON")],
    }
    progress = Recorder()
    labels = run(server, tmp_path, progress=progress)
    server.always = fail(401, f"Incorrect API key provided: {KEY}")
    with pytest.raises(AtlasError) as caught:
        run(server, tmp_path)
    printed = "".join(traceback.format_exception(caught.value))
    assert all(asked.authorization == f"Bearer {KEY}" for asked in server.requests)
    assert labels["L11.H0"].reason == "You sent [key]."

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    out, err = capfd.readouterr()
    written = [
        *(path.read_text(encoding="utf-8") for path in files),
        *(str(path) for path in files),
        *(one.model_dump_json() for one in labels.values()),
        in_context_record("test-model").model_dump_json(),
        *progress.notes,
        printed,
        repr(caught.value),
        caplog.text,
        out,
        err,
    ]
    assert "Incorrect API key provided: [key]" in printed
    assert not [text for text in written if KEY in text or KEY[:12] in text]


def test_user_and_password_of_the_address_are_not_shown(tmp_path: Path) -> None:
    with MisbehavingServer() as gone:
        address = gone.url.replace("http://", "http://someone:secret@")
    with pytest.raises(AtlasError) as caught:
        label_heads_in_context({"a": ["b"]}, base_url=address, cache=tmp_path, backoff=0.01)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_cache_that_cannot_be_written_is_one_line(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(AtlasError, match="cannot write there"):
        run(server, place)
    assert server.requests == []


def test_the_judge_says_of_each_description_whether_it_shows_the_label(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    texts = ["a colour", "a cat", "another colour"]
    for _ in range(2):
        judged = judge_heads_in_context(
            {"L0.H0": ("colour", texts), "L0.H1": ("colour", [])},
            base_url=server.url,
            cache=tmp_path,
        )
        assert judged["L0.H0"].shows == [True, False, True]
        assert judged["L0.H1"].shows == []
    assert len(server.requests) == 1


VERDICTS = {
    "too few": [{"number": 1, "shows": True}],
    "one twice": [{"number": 1, "shows": True}, {"number": 1, "shows": True}],
    "words": [{"number": 1, "shows": "yes"}, {"number": 2, "shows": "no"}],
}


@pytest.mark.parametrize("verdicts", VERDICTS.values(), ids=VERDICTS)
def test_verdicts_that_do_not_fit_the_descriptions_are_no_answer(
    server: MisbehavingServer, tmp_path: Path, verdicts: list[dict[str, object]]
) -> None:
    heads = {"L0.H0": ("cat", ["a cat", "a dog"]), "L0.H1": ("dog", ["a cat", "a dog"])}
    server.acts["Property: cat"] = [say(json.dumps({"verdicts": verdicts}))]
    progress = Recorder()

    def judge() -> dict[str, incontext.Judgement]:
        return judge_heads_in_context(heads, base_url=server.url, cache=tmp_path, progress=progress)

    first = judge()
    assert first["L0.H0"].shows is None
    assert first["L0.H0"].reason
    assert first["L0.H1"].shows == [False, True]
    assert progress.notes[0].startswith("association: 1 of 2 heads got no answer (L0.H0: ")
    assert judge()["L0.H0"].shows == [True, False]
    assert sorted(server.times_asked().values()) == [1, 2]


def test_the_dry_run_counts_what_a_run_then_asks(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimate() -> CallEstimate:
        with monkeypatch.context() as bare:
            bare.delenv("OPENAI_API_KEY")
            return estimate_calls(HEADS | {"empty": []}, model="test-model", cache=tmp_path)

    before = estimate()
    assert (before.label_calls, before.judge_calls) == (6, 6)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []

    labels = run(server, tmp_path)
    sent = [asked.body["messages"] for asked in server.requests]
    characters = sum(len(message["content"]) for messages in sent for message in messages)
    between = estimate()
    assert (between.label_calls, between.judge_calls) == (0, 6)
    labelling = before.prompt_tokens - between.prompt_tokens
    assert characters / 4 < labelling < characters / 4 * 1.5

    judge_heads_in_context(
        {head: (str(one.text), HEADS[head]) for head, one in labels.items()},
        model="test-model",
        base_url=server.url,
        cache=tmp_path,
    )
    assert len(server.requests) == before.label_calls + before.judge_calls
    assert estimate() == CallEstimate(0, 0, 0, 0)


def test_the_dry_run_counts_no_judgement_of_a_head_known_to_have_no_label(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.always = say('{"reason": "", "label": null}')
    run(server, tmp_path)
    assert estimate_calls(HEADS, model="test-model", cache=tmp_path) == CallEstimate(0, 0, 0, 0)


def test_retry_after_is_read_as_seconds_milliseconds_or_a_date() -> None:
    assert retry_after({"retry-after": "3"}, 0) == 3
    assert retry_after({"retry-after-ms": "250", "retry-after": "3"}, 0) == 0.25
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40) == 60
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 400) == 0
    assert retry_after({"retry-after": "soon"}, 0) is None
    assert retry_after({"retry-after": "-1"}, 0) is None
    assert retry_after({}, 0) is None


def test_the_delay_doubles_up_to_a_bound_unless_the_server_asks_for_another() -> None:
    for retried, full in enumerate([1.0, 2.0, 4.0, 8.0]):
        assert 0.75 * full <= retry_delay(retried, 1.0, None) <= full
    assert retry_delay(50, 1.0, None) <= LONGEST_WAIT
    assert retry_delay(3, 1.0, 0.5) == 0.5


def test_the_examples_are_five_heads_described_from_the_pool() -> None:
    pool = {row.text for row in read_descriptions(data_file("descriptions", "general.csv"))}
    examples = json.loads(data_file("incontext", "examples.json").read_text(encoding="utf-8"))
    assert len(examples) == 5
    assert len({example["label"] for example in examples}) == 5
    for example in examples:
        assert set(example) == {"descriptions", "label", "reason"}
        assert set(example["descriptions"]) <= pool
        assert 0 < len(example["label"].split()) <= LONGEST_LABEL
        assert example["reason"]


def test_an_example_reads_as_an_answer_that_would_be_accepted(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    run(server, tmp_path, {"L0.H0": ["a"]})
    messages: Sequence[dict[str, str]] = server.requests[0].body["messages"]
    given = [message["content"] for message in messages if message["role"] == "assistant"]
    for place, content in enumerate(given):
        server.acts[f"echo {place}"] = [say(content)]
    labels = run(server, tmp_path, {str(place): [f"echo {place}"] for place in range(len(given))})
    assert [one.text for one in labels.values()] == [json.loads(one)["label"] for one in given]


def test_the_labeller_names_model_and_prompt_version() -> None:
    labeller = in_context_record("some-model")
    assert (labeller.kind, labeller.model) == ("openai", "some-model")
    assert labeller.prompt_version == PROMPT_VERSION
    assert "some-model" in labeller.method
