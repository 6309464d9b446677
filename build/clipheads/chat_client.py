"""Ask a chat-completions server many questions: patient with its troubles, careful with its key.

Works with any server that speaks the wire format, addressed by `OPENAI_BASE_URL`. What
goes wrong with one question is that question's `Unanswered`; what would go wrong with all
of them (no key, no server, an unknown model) ends the run with one AtlasError.
"""

import email.utils
import os
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from clipheads.errors import AtlasError

LONGEST_WAIT = 60.0
"""Seconds: no wait before a retry is longer; a server that asks for more is not waited for."""

FORMS = ("json_schema", "json_object", "text")
"""How the answer's form is asked for. A server that refuses one is asked by the next.

All servers are told the form in the prompt as well. `json_schema` makes the server keep to
it; `json_object` promises JSON of whatever shape; `text` promises nothing. An answer is
checked in the same way whatever was promised.
"""

_QUOTED = 200
"""Characters of a server's own words that an error message repeats."""

_SHORTEST_SECRET = 8
"""A key shorter than this is a placeholder for a server that needs none, such as "none"."""


@dataclass(frozen=True)
class Question:
    """What is asked, and the JSON schema that the answer must follow."""

    messages: list[ChatCompletionMessageParam]
    schema_name: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Unanswered:
    """A question that got no answer, and why, in a sentence for the reader."""

    reason: str


@dataclass(frozen=True)
class _Trouble:
    """What one request met instead of an answer."""

    reason: str
    passing: bool = False
    """Whether the same request may succeed later."""
    everywhere: bool = False
    """Whether every other question would meet it too."""
    unreachable: bool = False
    no_such_form: bool = False
    retry_after: float | None = None
    """Seconds that the server asks to be left alone."""


class ChatClient:
    """A model behind a chat-completions server; safe to share between threads."""

    def __init__(
        self, model: str, base_url: str | None, *, timeout: float, retries: int, backoff: float
    ) -> None:
        """Address a server; nothing is sent yet.

        Args:
            model: as the server names it.
            base_url: of the server; by default `OPENAI_BASE_URL`, or else OpenAI's own.
            timeout: seconds for one request.
            retries: further requests for a question after a passing trouble.
            backoff: seconds before the first retry; doubled before each one after.

        Raises:
            AtlasError: if `OPENAI_API_KEY` is missing or cannot be one, or the address is
                none of a web server.
        """
        self._model = model
        self._timeout = timeout
        self._retries = retries
        self._backoff = backoff
        self._key = _api_key()
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        self._server = _server_name(base_url)
        # Retries are ours: the client's own cannot be stopped while they wait.
        self._client = openai.OpenAI(
            api_key=self._key, base_url=base_url, timeout=timeout, max_retries=0
        )
        self._form = 0
        self._lock = threading.Lock()
        self._reached = False
        self._stopped = threading.Event()

    def ask_all(
        self,
        questions: Mapping[str, Question],
        concurrency: int,
        accept: Callable[[str, str], None],
    ) -> Generator[tuple[str, Unanswered | None], None, None]:
        """Ask all questions, at most `concurrency` at once; yield each one's name when done.

        `accept(name, answer)` is called in the thread that got the answer, as soon as it is
        there: an answer that was paid for is kept even if the run is interrupted. It may
        raise ValueError with what is wrong with the answer.

        Raises:
            AtlasError: what would keep every question from its answer.
        """

        def work(name: str, question: Question) -> Unanswered | None:
            answer = self._ask(question)
            if isinstance(answer, Unanswered):
                return answer
            try:
                accept(name, answer)
            except ValueError as error:
                return Unanswered(self._without_key(str(error)))
            return None

        with self._closing(concurrency) as executor:
            running: dict[Future[Unanswered | None], str] = {
                executor.submit(work, name, question): name for name, question in questions.items()
            }
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                # What stops the run is raised before what it stopped is taken for an answer.
                for future in sorted(done, key=lambda future: future.exception() is None):
                    yield running.pop(future), future.result()

    @contextmanager
    def _closing(self, concurrency: int) -> Iterator[ThreadPoolExecutor]:
        executor = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="ask")
        try:
            yield executor
        finally:
            # Requests under way are waited for, so that their answers are kept; those that
            # wait for a retry or a free thread are given up.
            self._stopped.set()
            executor.shutdown(wait=True, cancel_futures=True)
            self._client.close()

    def _ask(self, question: Question) -> str | Unanswered:
        retried = 0
        while not self._stopped.is_set():
            form = self._form
            answer = self._request(question, FORMS[form])
            if isinstance(answer, str):
                return answer
            if answer.no_such_form and form + 1 < len(FORMS):
                with self._lock:
                    self._form = max(self._form, form + 1)
                continue
            # A server that nobody has met yet is more likely misspelt than restarting.
            retries = self._retries
            if answer.unreachable and not self._reached:
                retries = min(retries, 1)
            if answer.everywhere or (answer.unreachable and retried == retries):
                # At once, not when the main thread hears of it: no other thread asks in vain.
                self._stopped.set()
                raise AtlasError(answer.reason)
            if not answer.passing:
                return Unanswered(answer.reason)
            delay = retry_delay(retried, self._backoff, answer.retry_after)
            if retried == retries or delay > LONGEST_WAIT:
                asks = f"; it asks to wait {delay:.0f} s" if delay > LONGEST_WAIT else ""
                return Unanswered(f"{answer.reason} (asked {_times(retried + 1)}{asks}).")
            self._stopped.wait(delay)
            retried += 1
        return Unanswered("The run was interrupted.")

    def _request(self, question: Question, form: str) -> str | _Trouble:
        # The errors of the client are read and dropped here, never chained: their texts,
        # requests and causes can hold the key.
        schema = {"name": question.schema_name, "strict": True, "schema": question.schema}
        asked_for: dict[str, dict[str, Any]] = {
            "json_schema": {"response_format": {"type": form, "json_schema": schema}},
            "json_object": {"response_format": {"type": form}},
            "text": {},
        }
        try:
            completion = self._client.chat.completions.create(
                model=self._model,
                messages=question.messages,
                temperature=0,
                **asked_for[form],
            )
        except openai.APIStatusError as error:
            self._reached = True
            return self._refusal(error)
        except openai.APIConnectionError as error:
            return self._disconnection(error)
        except (openai.OpenAIError, ValueError):
            self._reached = True
            return _Trouble("The server's reply is not JSON.")
        self._reached = True
        return self._content(completion)

    def _content(self, completion: object) -> str | _Trouble:
        # The client does not check replies: one of another form comes as it is.
        choices = completion.choices if isinstance(completion, ChatCompletion) else None
        message = getattr(choices[0], "message", None) if choices else None
        if not choices or message is None:
            return _Trouble("The server's reply is not a chat completion.")
        refusal = getattr(message, "refusal", None)
        if refusal:
            return _Trouble(f"The model refused: {self._quote(str(refusal))}")
        if choices[0].finish_reason == "content_filter":
            return _Trouble("The server's content filter withheld the answer.")
        if choices[0].finish_reason == "length":
            return _Trouble("The answer was cut off at the server's length limit.")
        if not isinstance(message.content, str) or not message.content.strip():
            return _Trouble("The answer is empty.")
        return self._without_key(message.content)

    def _disconnection(self, error: openai.APIConnectionError) -> _Trouble:
        # httpx is told by its names, for the client has changed to another major version
        # of it, which is another package.
        cause = error.__cause__
        kind = type(cause).__name__
        if kind in {"ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol"}:
            why = "no answer in time" if kind == "ConnectTimeout" else self._quote(str(cause))
            kept = "; answers so far are kept" if self._reached else ""
            return _Trouble(
                f"{self._server}: the label server cannot be reached ({why}){kept};"
                " see OPENAI_BASE_URL or the base URL that was given",
                passing=True,
                unreachable=True,
            )
        self._reached = True
        if isinstance(error, openai.APITimeoutError):
            return _Trouble(f"The server did not answer within {self._timeout:g} s", passing=True)
        return _Trouble("The server dropped the connection", passing=True)

    def _refusal(self, error: openai.APIStatusError) -> _Trouble:
        status = error.status_code
        words = self._quote(_message(error)).rstrip(".")
        said = f"answered {status}: {words}" if words else f"answered {status}"
        told = f"{error.param} {_message(error)} {error.body}"
        if status in {400, 404, 415, 422, 501} and any(
            name in told for name in ("response_format", "json_schema", "json_object")
        ):
            return _Trouble(f"The server {said}.", no_such_form=True)
        if status in {401, 403}:
            return _Trouble(
                f"{self._server}: the label server does not accept the key of OPENAI_API_KEY"
                f" ({said})",
                everywhere=True,
            )
        if status == 404 or error.code == "model_not_found":
            return _Trouble(
                f"{self._server}: the label server knows no model {self._model!r}, or its"
                f" address is another ({said})",
                everywhere=True,
            )
        if status == 429 and "insufficient_quota" in {error.code, error.type}:
            return _Trouble(
                f"{self._server}: the account has no quota left ({said}); answers so far are kept",
                everywhere=True,
            )
        if error.param == "temperature":
            return _Trouble(
                f"model {self._model!r} does not take the temperature 0 that labels are asked at"
                f" ({said}); choose another model",
                everywhere=True,
            )
        if status in {408, 409, 429} or status >= 500:
            wish = retry_after(error.response.headers, time.time())
            return _Trouble(f"The server {said}", passing=True, retry_after=wish)
        return _Trouble(f"The server {said}.")

    def _quote(self, text: str) -> str:
        words = self._without_key(" ".join(text.split()))
        return words if len(words) <= _QUOTED else words[: _QUOTED - 1].rstrip() + "…"

    def _without_key(self, text: str) -> str:
        if len(self._key) < _SHORTEST_SECRET:
            return text
        return text.replace(self._key, "[key]")


def retry_delay(retried: int, backoff: float, asked: float | None) -> float:
    """Seconds to wait before the next retry.

    What the server asks for, if it does; else `backoff` doubled with each retry, up to
    LONGEST_WAIT, less up to a quarter by chance, so that threads do not return in step.
    """
    if asked is not None:
        return asked
    return min(backoff * 2.0**retried, LONGEST_WAIT) * random.uniform(0.75, 1.0)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After` (seconds or a date) or `retry-after-ms`: seconds from `now`, or None."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return seconds if seconds >= 0 else None
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(date.timestamp() - now, 0.0)
    except (KeyError, ValueError, OverflowError):
        return None


def _api_key() -> str:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise AtlasError(
            "OPENAI_API_KEY is not set: in-context labels need a key (any word for a server that"
            " needs none); without one, use the embedded labeller"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise AtlasError("OPENAI_API_KEY holds a space or a character that no key has")
    return key


def _server_name(base_url: str) -> str:
    """Return the address without user, password and query, which may be secret."""
    try:
        parts = urlsplit(base_url)
        if parts.hostname and parts.scheme in {"http", "https"} and parts.port != 0:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            port = "" if parts.port is None else f":{parts.port}"
            return f"{parts.scheme}://{host}{port}{parts.path}"
    except ValueError:
        pass
    raise AtlasError(
        "the base URL of the label server is no web address; one looks like"
        " http://localhost:8080/v1"
    )


def _message(error: openai.APIStatusError) -> str:
    """Return what the server says about its error, if it says it in a form that is known."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message", "") if isinstance(inner, dict) else inner
        return str(message)
    # A page of HTML from something in between says nothing that fits a line.
    return "" if not isinstance(body, str) or body.lstrip().startswith("<") else body


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
