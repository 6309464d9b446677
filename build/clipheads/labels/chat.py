"""Ask a chat-completions server many questions: patient with its troubles, careful with its key.

Works with any server that speaks the wire format, addressed by `OPENAI_BASE_URL`. What
goes wrong with one question is that question's `Unanswered`; what would go wrong with all
of them (no key, no server, an unknown model) ends the run with one AtlasError.

Nothing that a server does makes a run endless or large: a request has a time limit as a whole,
whatever trickles in, a reply has a size limit, no redirect is followed, and a server that stays
silent is given up.
"""

import asyncio
import email.utils
import os
import random
import re
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, Field, ValidationError

from clipheads.bundle.errors import AtlasError

LONGEST_WAIT = 60.0
"""Seconds: no wait before a retry is longer; a server that asks for more is not waited for."""

FORMS = ("json_schema", "json_object", "text")
"""How the answer's form is asked for. A server that refuses one is asked by the next.

All servers are told the form in the prompt as well. `json_schema` makes the server keep to
it; `json_object` promises JSON of whatever shape; `text` promises nothing. An answer is
checked in the same way whatever was promised.
"""

LARGEST_REPLY = 1_000_000
"""Bytes; an answer has a few hundred."""

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
    silent: bool = False
    """Whether the server took the request and did not answer in time."""
    no_such_form: bool = False
    retry_after: float | None = None
    """Seconds that the server asks to be left alone."""


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    """What is read of a chat completion."""

    choices: list[_Choice] = Field(min_length=1)


class _TooLarge(openai.OpenAIError):
    """A reply beyond LARGEST_REPLY."""


class _BoundedClient(openai.DefaultAsyncHttpxClient):
    """An HTTP client that follows no redirect and reads no more than LARGEST_REPLY."""

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request and return its response, which has been read."""
        options |= {"stream": True, "follow_redirects": False}
        response = await super().send(request, **options)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_REPLY:
                    raise _TooLarge
        finally:
            await response.aclose()
        headers = [
            (name, value)
            for name, value in response.headers.items()
            if name.lower() not in {"content-encoding", "content-length", "transfer-encoding"}
        ]
        status = response.status_code
        return type(response)(status, headers=headers, content=bytes(body), request=request)


Finished = tuple[str, Unanswered | None]
"""The name of a question that is done, and why it has no answer if it has none."""


class ChatClient:
    """A model behind a chat-completions server."""

    def __init__(
        self, model: str, base_url: str | None, *, timeout: float, retries: int, backoff: float
    ) -> None:
        """Address a server; nothing is sent yet.

        Args:
            model: as the server names it.
            base_url: of the server; by default `OPENAI_BASE_URL`, or else OpenAI's own.
            timeout: seconds for one request, from connecting to the last byte of the reply.
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
        self._base_url = server_address(base_url)
        self._server = _without_secrets(self._base_url)
        self._key = api_key()
        self._form = 0
        self._reached = False
        self._silent = 0
        """Requests in a row that got no answer in time."""

    def ask_all(
        self,
        questions: Mapping[str, Question],
        concurrency: int,
        accept: Callable[[str, str], None],
    ) -> Generator[Finished, None, None]:
        """Ask all questions, at most `concurrency` at once; yield each one's name when done.

        `accept(name, answer)` is called as soon as an answer is there, in a thread of its own:
        an answer that was paid for is kept even if the run is interrupted. It may raise
        ValueError with what is wrong with the answer.

        Raises:
            AtlasError: what would keep every question from its answer.
        """
        finished: SimpleQueue[Finished | None] = SimpleQueue()
        loop = asyncio.new_event_loop()
        run = _Run(concurrency, accept, finished.put)

        def ask() -> None:
            try:
                loop.run_until_complete(self._ask_each(questions, run))
            finally:
                finished.put(None)

        # In a thread, because a notebook has a loop of its own running in this one.
        with ThreadPoolExecutor(1, thread_name_prefix="ask") as executor:
            asking = executor.submit(ask)
            try:
                while (one := finished.get()) is not None:
                    yield one
                asking.result()
            finally:
                # Requests under way are waited for, so that their answers are kept; what waits
                # for a retry or for its turn is given up.
                loop.call_soon_threadsafe(run.stopped.set)
                executor.shutdown(wait=True)
                loop.close()

    async def _ask_each(self, questions: Mapping[str, Question], run: "_Run") -> None:
        timeout = openai.Timeout(self._timeout)
        # Retries are ours: the client's own follow other rules and cannot be cut short.
        async with openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._base_url,
            timeout=timeout,
            max_retries=0,
            http_client=_BoundedClient(timeout=timeout),
        ) as client:
            turn = asyncio.Semaphore(run.concurrency)
            tasks = [
                asyncio.create_task(self._work(client, turn, name, question, run))
                for name, question in questions.items()
            ]
            try:
                for task in asyncio.as_completed(tasks):
                    await task
            finally:
                run.stopped.set()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(
        self,
        client: openai.AsyncOpenAI,
        turn: asyncio.Semaphore,
        name: str,
        question: Question,
        run: "_Run",
    ) -> None:
        async with turn:
            answer = await self._ask(client, question, run)
        if answer is None:
            return
        if isinstance(answer, str):
            try:
                run.accept(name, answer)
            except ValueError as error:
                run.finished((name, Unanswered(self._without_key(str(error)))))
            else:
                run.finished((name, None))
        else:
            run.finished((name, answer))

    async def _ask(
        self, client: openai.AsyncOpenAI, question: Question, run: "_Run"
    ) -> str | Unanswered | None:
        """Return the answer, or why there is none, or None if the run was stopped first."""
        retried = 0
        while not run.stopped.is_set():
            form = self._form
            answer = await self._request(client, question, FORMS[form])
            silent = isinstance(answer, _Trouble) and (answer.silent or answer.unreachable)
            self._silent = self._silent + 1 if silent else 0
            if isinstance(answer, str):
                return answer
            if answer.no_such_form and form + 1 < len(FORMS):
                self._form = max(self._form, form + 1)
                continue
            # A server that nobody has met yet is more likely misspelt than restarting.
            retries = self._retries
            if answer.unreachable and not self._reached:
                retries = min(retries, 1)
            given_up = self._silent > 2 * (run.concurrency + 1)
            if answer.everywhere or given_up or (answer.unreachable and retried == retries):
                # At once, not when the others are done: no other task asks in vain.
                run.stopped.set()
                raise AtlasError(self._why_given_up(answer) if given_up else answer.reason)
            if not answer.passing:
                return Unanswered(answer.reason)
            delay = retry_delay(retried, self._backoff, answer.retry_after)
            if retried == retries or delay > LONGEST_WAIT:
                asks = f"; it asks to wait {delay:.0f} s" if delay > LONGEST_WAIT else ""
                return Unanswered(f"{answer.reason} (asked {_times(retried + 1)}{asks}).")
            with suppress(TimeoutError):
                await asyncio.wait_for(run.stopped.wait(), delay)
            retried += 1
        return None

    def _why_given_up(self, trouble: _Trouble) -> str:
        if trouble.unreachable:
            return trouble.reason
        kept = "; answers so far are kept" if self._reached else ""
        return (
            f"{self._server}: the label server did not answer {self._silent} requests in a row"
            f" within {self._timeout:g} s each{kept}"
        )

    async def _request(
        self, client: openai.AsyncOpenAI, question: Question, form: str
    ) -> str | _Trouble:
        # The errors of the client are read and dropped here, never chained: their texts,
        # requests and causes can hold the key.
        schema = {"name": question.schema_name, "strict": True, "schema": question.schema}
        asked_for: dict[str, dict[str, Any]] = {
            "json_schema": {"response_format": {"type": form, "json_schema": schema}},
            "json_object": {"response_format": {"type": form}},
            "text": {},
        }
        try:
            # The client's own timeout is for each read: a body that trickles would never end.
            async with asyncio.timeout(self._timeout):
                reply = await client.chat.completions.with_raw_response.create(
                    model=self._model,
                    messages=question.messages,
                    temperature=0,
                    **asked_for[form],
                )
                body = reply.content
        except TimeoutError:
            return self._no_answer()
        except openai.APIStatusError as error:
            self._reached = True
            return self._refusal(error)
        except openai.APIConnectionError as error:
            return self._disconnection(error)
        except _TooLarge:
            self._reached = True
            return _Trouble(f"The server's reply is larger than {LARGEST_REPLY / 1e6:g} MB.")
        except (openai.OpenAIError, ValueError, RecursionError):
            self._reached = True
            return _Trouble("The server's reply is not a chat completion.")
        self._reached = True
        return self._content(body)

    def _content(self, body: bytes) -> str | _Trouble:
        try:
            choice = _Reply.model_validate_json(body).choices[0]
        except ValidationError as error:
            broken = error.errors(include_input=False)[0]["type"] == "json_invalid"
            return _Trouble(
                f"The server's reply is not {'JSON' if broken else 'a chat completion'}."
            )
        message = choice.message
        if message.refusal:
            return _Trouble(f"The model refused: {self._quote(message.refusal)}")
        if choice.finish_reason == "content_filter":
            return _Trouble("The server's content filter withheld the answer.")
        if choice.finish_reason == "length":
            return _Trouble("The answer was cut off at the server's length limit.")
        if not message.content or not message.content.strip():
            return _Trouble("The answer is empty.")
        answer = self._without_key(message.content)
        if self._without_key(_unescaped(answer)) != _unescaped(answer):
            return _Trouble("The answer repeats the key.")
        return answer

    def _no_answer(self) -> _Trouble:
        reason = f"The server did not answer within {self._timeout:g} s"
        return _Trouble(reason, passing=True, silent=True)

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
        if isinstance(error, openai.APITimeoutError):
            return self._no_answer()
        self._reached = True
        return _Trouble("The server dropped the connection", passing=True)

    def _refusal(self, error: openai.APIStatusError) -> _Trouble:
        status = error.status_code
        words = self._quote(_message(error)).rstrip(".")
        said = f"answered {status}: {words}" if words else f"answered {status}"
        told = f"{error.param} {_message(error)} {error.body}"
        kinds = {str(error.code), str(error.type)}
        if status in {400, 404, 415, 422, 501} and any(
            name in told for name in ("response_format", "json_schema", "json_object")
        ):
            return _Trouble(f"The server {said}.", no_such_form=True)
        if 300 <= status < 400:
            return _Trouble(
                f"{self._server}: the label server sends requests on to another address"
                f" ({said}), and questions are not sent on; give the address that answers",
                everywhere=True,
            )
        if status in {401, 403}:
            return _Trouble(
                f"{self._server}: the label server does not accept the key of OPENAI_API_KEY"
                f" ({said})",
                everywhere=True,
            )
        if status == 404 or "model_not_found" in kinds:
            return _Trouble(
                f"{self._server}: the label server knows no model {self._model!r}, or its"
                f" address is another ({said})",
                everywhere=True,
            )
        if status == 429 and "insufficient_quota" in kinds:
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


@dataclass(frozen=True)
class _Run:
    """What the questions of one `ask_all` share."""

    concurrency: int
    accept: Callable[[str, str], None]
    finished: Callable[[Finished], None]
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when no further request is to be made."""


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


def api_key() -> str:
    """Return the key of the environment.

    Raises:
        AtlasError: if there is none, or it cannot be one.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise AtlasError(
            "OPENAI_API_KEY is not set: in-context labels need a key (any word for a server that"
            " needs none); without one, use the embedded labeller"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise AtlasError("OPENAI_API_KEY holds a space or a character that no key has")
    return key


def server_address(base_url: str | None) -> str:
    """Return the base URL that is meant: the given one, `OPENAI_BASE_URL`, or OpenAI's own.

    Raises:
        AtlasError: if it is no address of a web server.
    """
    address = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    try:
        parts = urlsplit(address)
        name = (parts.hostname or "").encode("idna")  # refuses labels that no host can have
        plain = address.isprintable() and " " not in address and "\\" not in address
        if plain and name and parts.scheme in {"http", "https"} and parts.port != 0:
            return address
    except ValueError:
        pass
    raise AtlasError(
        "the base URL of the label server is no web address; one looks like"
        " http://localhost:8080/v1"
    )


def _without_secrets(address: str) -> str:
    """Return the address without user, password and query, which may be secret."""
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _unescaped(text: str) -> str:
    """Return the text with JSON's escapes undone, however often they were escaped."""
    points = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\+(.)", r"\1", points)


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
