"""A chat-completions server on 127.0.0.1 that misbehaves as it is told to.

`with MisbehavingServer() as server:` serves at `server.url`. What it does is a queue of acts
for each question, known by a text that occurs in it; without one it answers well.
"""

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

KEY = "sk-test-0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    question: str
    """The last message."""
    body: dict[str, Any]
    authorization: str


Act = Callable[["_Handler", Request], None]


@dataclass
class MisbehavingServer:
    """What to do, and the requests that came."""

    acts: dict[str, list[Act]] = field(default_factory=dict)
    """For a text that occurs in a question: what to do each time, then answer well."""
    always: Act | None = None
    """Done to every request without an act of its own."""
    requests: list[Request] = field(default_factory=list)
    sent: int = 0
    """Bytes of bodies without end."""
    most_at_once: int = 0
    came_early: int = 0
    """Requests within the time that a `Retry-After` had asked for."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._at_once = 0
        self.closed_until: dict[str, float] = {}
        self.released = threading.Event()
        """Requests that hang do so until then."""
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def requests_by_question(self) -> Counter[str]:
        """How often each question came."""
        return Counter(request.question for request in self.requests)

    def close(self) -> None:
        """Leave the port."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()

    def handle(self, handler: "_Handler", request: Request) -> None:
        """Count a request and do to it what is next in its queue."""
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            if time.monotonic() < self.closed_until.get(request.question, 0):
                self.came_early += 1
            queue = next((acts for text, acts in self.acts.items() if text in request.question), [])
            act = queue.pop(0) if queue else self.always or answer_well
        try:
            act(handler, request)
        finally:
            with self._lock:
                self._at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    owner: MisbehavingServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(body["messages"][-1]["content"], body, self.headers["Authorization"])
        if self.path != "/v1/chat/completions":
            self.send(404, {"error": {"message": f"no such page: {self.path}"}})
            return
        self.owner.handle(self, request)

    def send(
        self,
        status: int,
        body: object,
        headers: dict[str, str] | None = None,
        kind: str = "application/json",
        length: int | None = None,
    ) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def completion(content: str | None, **message: object) -> dict[str, object]:
    """A chat completion as it goes over the wire."""
    finish = message.pop("finish_reason", "stop")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "test-model",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def answer_well(handler: _Handler, request: Request) -> None:
    """Label a head by the last word of its first description; find a label in texts by letters."""
    lines = re.findall(r"^(\d+)\. (.*)$", request.question, re.MULTILINE)
    judged = re.match(r"Property: (.*)", request.question)
    if judged:
        shows = [{"number": int(n), "shows": judged[1] in text} for n, text in lines]
        handler.send(200, completion(json.dumps({"verdicts": shows})))
        return
    label = lines[0][1].split()[-1]
    handler.send(200, completion(json.dumps({"reason": f"They say {label}.", "label": label})))


def say(content: str | None, **message: object) -> Act:
    """Answer with this content, and further fields of the message."""
    return lambda handler, _request: handler.send(200, completion(content, **message))


def label(text: object) -> Act:
    """Answer with this label."""
    return say(json.dumps({"reason": "Because.", "label": text}))


def reply(body: str, kind: str = "application/json") -> Act:
    """Answer 200 with a body that need not be a completion."""
    return lambda handler, _request: handler.send(200, body, kind=kind)


def fail(status: int, message: str = "it went wrong", **more: object) -> Act:
    """Answer with an error as OpenAI's API forms it; `retry_after` goes in the header."""
    wish = more.pop("retry_after", None)
    headers = {} if wish is None else {"Retry-After": str(wish)}

    def act(handler: _Handler, request: Request) -> None:
        if isinstance(wish, int | float):
            handler.owner.closed_until[request.question] = time.monotonic() + wish
        error = {"message": message, "type": None, "param": None, "code": None} | more
        handler.send(status, {"error": error}, headers)

    return act


def hang(handler: _Handler, request: Request) -> None:
    """Say nothing until the server is closed."""
    handler.owner.released.wait(30)
    handler.close_connection = True


def trickle(handler: _Handler, request: Request) -> None:
    """Send the body a byte at a time, each in good time, and never come to its end."""
    handler.send(200, "", length=10**9)
    _send_until_gone(handler, b" ", 0.05)


def trickle_headers(handler: _Handler, request: Request) -> None:
    """Send headers without end."""
    handler.send_response(200)
    handler.flush_headers()
    _send_until_gone(handler, b"X-More: x\r\n", 0.05)


def flood(status: int) -> Act:
    """Send a body without end as fast as it is read."""

    def act(handler: _Handler, request: Request) -> None:
        handler.send(status, "", length=10**15)
        _send_until_gone(handler, b" " * 2**16, 0)

    return act


def _send_until_gone(handler: _Handler, piece: bytes, pause: float) -> None:
    handler.close_connection = True
    with suppress(OSError):
        while not handler.owner.released.wait(pause):
            handler.wfile.write(piece)
            handler.owner.sent += len(piece)


def redirect(status: int, address: str) -> Act:
    """Send the request on to another address."""
    return lambda handler, _request: handler.send(status, "", {"Location": address})


def drop(handler: _Handler, request: Request) -> None:
    """Close the connection in the middle of the answer."""
    body = json.dumps(completion(json.dumps({"reason": "", "label": "half"})))
    handler.send(200, body[: len(body) // 2], length=len(body))
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def leave(handler: _Handler, request: Request) -> None:
    """Answer well and be gone for good."""
    handler.owner.close()
    answer_well(handler, request)
    handler.close_connection = True


def know_only(*forms: str) -> Act:
    """Refuse response formats other than these, as servers do that do not know them."""

    def act(handler: _Handler, request: Request) -> None:
        form = request.body.get("response_format", {"type": "text"})["type"]
        if form in forms:
            answer_well(handler, request)
        else:
            fail(400, f"'response_format.type' {form} is not supported")(handler, request)

    return act
