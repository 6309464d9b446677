"""Address and key of the label server: found in the environment, checked, and never shown."""

import json
import logging
import traceback
from pathlib import Path

import pytest
from in_context_runs import ESCAPED, Recorder, run
from misbehaving_server import (
    KEY,
    MisbehavingServer,
    fail,
    label,
    say,
)

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import Label
from clipheads.bundle.progress import Silent
from clipheads.labels.chat.settings import ChatSettings
from clipheads.labels.in_context import ask_labels, ensure_askable, in_context_record


def test_a_missing_key_is_found_before_a_long_computation(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = tmp_path / "answers"
    ensure_askable(ChatSettings(server=server.url), answers)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(AtlasError, match="OPENAI_API_KEY is not set"):
        ensure_askable(ChatSettings(server=server.url), answers)
    with pytest.raises(AtlasError, match="no web address"):
        ensure_askable(ChatSettings(server="http://two words/"), answers)

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    run(server, answers)
    monkeypatch.delenv("OPENAI_API_KEY")
    ensure_askable(ChatSettings(server=server.url), answers)


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
@pytest.mark.usefixtures("chat_environment")
def test_a_base_url_that_is_none_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(AtlasError, match="no web address"):
        ask_labels({"a": ["b"]}, ChatSettings(server=url), tmp_path, Silent())


def test_the_base_url_of_the_environment_is_used(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    labels = ask_labels({"a": ["a red colour"]}, ChatSettings(), tmp_path, Silent())
    assert labels["a"] == Label(text="colour", confidence=None, reason="They say colour.")


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
    assert all(request.authorization == f"Bearer {KEY}" for request in server.requests)
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


def test_what_the_key_is_hidden_in_is_not_kept_either(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    server.always = say(f'{{"reason": "{ESCAPED}", "label": "colour"}}')

    labels = run(server, tmp_path)

    assert {one.text for one in labels.values()} == {None}
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.usefixtures("chat_environment")
def test_user_and_password_of_the_address_are_not_shown(tmp_path: Path) -> None:
    with MisbehavingServer() as gone:
        address = gone.url.replace("http://", "http://someone:secret@")
    with pytest.raises(AtlasError) as caught:
        ask_labels({"a": ["b"]}, ChatSettings(server=address), tmp_path, Silent())
    assert "secret" not in "".join(traceback.format_exception(caught.value))
