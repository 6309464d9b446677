"""The real client sets a bound to time, size, redirects and concurrency, and can be stopped."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from in_context_runs import HEADS, Recorder, run
from misbehaving_server import (
    Act,
    MisbehavingServer,
    Request,
    answer_well,
    fail,
    flood,
    hang,
    redirect,
    trickle,
    trickle_headers,
)

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import Label
from clipheads.labels.chat.bounded_http import LARGEST_REPLY

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

    with pytest.raises(AtlasError, match=r"did not answer 7 requests in a row within 0\.15 s each"):
        run(server, tmp_path, heads, timeout=0.15, retries=5)

    assert len(server.requests) <= 8
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("act", [trickle, trickle_headers], ids=["body", "headers"])
def test_one_answer_that_trickles_is_asked_for_again(
    server: MisbehavingServer, tmp_path: Path, act: Act
) -> None:
    server.acts["kind2"] = [act]

    heads = {"L11.H2": HEADS["L11.H2"]}

    assert run(server, tmp_path, heads, timeout=0.5)["L11.H2"].text == "kind2"
    assert len(server.requests) >= 2


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

    # In a thread of its own, because other tests of this process may have left a loop running.
    with ThreadPoolExecutor(1) as thread:
        labels = thread.submit(asyncio.run, cell()).result()
    assert labels["L11.H2"].text == "kind2"


def test_an_interrupted_run_is_resumed_and_no_answer_is_asked_for_twice(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    heads = {f"L11.H{index}": [f"text {index}"] for index in range(16)}
    with pytest.raises(KeyboardInterrupt):
        run(server, tmp_path, heads, progress=Recorder(fail_at=5), concurrency=3)
    before = len(server.requests)
    assert 4 <= before < 16
    # What was under way when the run was stopped has been kept too.
    assert len(list(tmp_path.rglob("*.json"))) == before
    labels = run(server, tmp_path, heads)
    assert all(label.text is not None for label in labels.values())
    assert server.requests_by_question() == {f"1. text {index}": 1 for index in range(16)}


def test_a_wait_for_a_retry_is_cut_short_by_an_interruption(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    waiting = threading.Event()

    def limit(handler: object, request: Request) -> None:
        fail(429, retry_after=60)(handler, request)  # type: ignore[arg-type]
        waiting.set()

    def answer_later(handler: object, request: Request) -> None:
        waiting.wait(10)
        answer_well(handler, request)  # type: ignore[arg-type]

    server.acts["first"] = [limit]
    server.acts["second"] = [answer_later]
    finished = threading.Event()

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            run(server, tmp_path, {"a": ["first"], "b": ["second"]}, progress=Recorder(fail_at=1))
        finished.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert finished.wait(30)


def test_no_more_requests_at_once_than_allowed(server: MisbehavingServer, tmp_path: Path) -> None:
    # Each of three must be there for any to be answered; a fourth would be seen.
    together = threading.Barrier(3, timeout=10)

    def meet(handler: object, request: Request) -> None:
        together.wait()
        answer_well(handler, request)  # type: ignore[arg-type]

    server.always = meet
    labels = run(server, tmp_path, timeout=15, concurrency=3)
    assert all(label.text is not None for label in labels.values())
    assert server.most_at_once == 3
