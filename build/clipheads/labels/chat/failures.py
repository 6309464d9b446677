"""What goes wrong with a question, in a sentence for the reader, and whether it is all that does.

The errors of the client are read here and never chained: their texts, requests and causes can hold
the key.
"""

from dataclasses import dataclass

import openai
from pydantic import BaseModel, Field, ValidationError

from clipheads.labels.chat.bounded_http import RETRY_COUNT, is_unreachable
from clipheads.labels.chat.server import ChatServer
from clipheads.labels.chat.settings import ChatSettings


@dataclass(frozen=True)
class Failure:
    """Why a question got no answer."""

    reason: str
    fatal: bool = False
    """Whether every other question would fail the same way."""
    no_such_form: bool = False
    """Whether the server does not support the requested form of answer."""


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    """What is read of a chat completion."""

    choices: list[_Choice] = Field(min_length=1)


def read_content(body: bytes, server: ChatServer) -> str | Failure:
    """Return the text of a chat completion, without the key, or why there is none."""
    try:
        choice = _Reply.model_validate_json(body).choices[0]
    except ValidationError as error:
        broken = error.errors(include_input=False)[0]["type"] == "json_invalid"
        return Failure(f"The server's reply is not {'JSON' if broken else 'a chat completion'}.")
    message = choice.message
    if message.refusal:
        return Failure(f"The model refused: {server.quote(message.refusal)}")
    if choice.finish_reason == "content_filter":
        return Failure("The server's content filter withheld the answer.")
    if choice.finish_reason == "length":
        return Failure("The answer was cut off at the server's length limit.")
    if not message.content or not message.content.strip():
        return Failure("The answer is empty.")
    answer = server.without_key(message.content)
    return Failure("The answer repeats the key.") if server.hides_key(answer) else answer


def connection_failure(
    error: openai.APIConnectionError, server: ChatServer, settings: ChatSettings, *, reached: bool
) -> Failure:
    """Say why a request got no response after all retries.

    Args:
        error: of the client, after its last retry.
        server: that was queried.
        settings: that it was queried with.
        reached: whether it has ever answered.
    """
    if is_unreachable(error.__cause__):
        return unreachable(str(error.__cause__), server, reached=reached)
    times = _times_sent(error.request.headers.get(RETRY_COUNT))
    if isinstance(error, openai.APITimeoutError):
        return Failure(f"The server did not answer within {settings.timeout:g} s ({times}).")
    return Failure(f"The server dropped the connection ({times}).")


def unreachable(why: str, server: ChatServer, *, reached: bool) -> Failure:
    """Say that no connection to the server comes about."""
    kept = "; answers so far are kept" if reached else ""
    return Failure(
        f"{server.name}: the label server cannot be reached ({server.quote(why)}){kept};"
        " see OPENAI_BASE_URL or the base URL that was given",
        fatal=True,
    )


def unresponsive(
    silent: int, server: ChatServer, settings: ChatSettings, *, reached: bool
) -> Failure:
    """Say that the server left so many requests in a row without an answer."""
    kept = "; answers so far are kept" if reached else ""
    return Failure(
        f"{server.name}: the label server did not answer {silent} requests in a row"
        f" within {settings.timeout:g} s each{kept}",
        fatal=True,
    )


def status_failure(
    error: openai.APIStatusError, server: ChatServer, settings: ChatSettings
) -> Failure:
    """Say what the server's error means."""
    status = error.status_code
    message = _message(error)
    words = server.quote(message).rstrip(".")
    answered = f"answered {status}: {words}" if words else f"answered {status}"
    everything = f"{error.param} {message} {error.body}"
    kinds = {str(error.code), str(error.type)}
    if status in {400, 404, 415, 422, 501} and any(
        name in everything for name in ("response_format", "json_schema", "json_object")
    ):
        return Failure(f"The server {answered}.", no_such_form=True)
    if 300 <= status < 400:
        return Failure(
            f"{server.name}: the label server sends requests on to another address"
            f" ({answered}), and questions are not sent on; give the address that answers",
            fatal=True,
        )
    if status in {401, 403}:
        return Failure(
            f"{server.name}: the label server does not accept the key of OPENAI_API_KEY"
            f" ({answered})",
            fatal=True,
        )
    if status == 404 or "model_not_found" in kinds:
        return Failure(
            f"{server.name}: the label server knows no model {settings.model!r}, or its"
            f" address is another ({answered})",
            fatal=True,
        )
    if status == 429 and "insufficient_quota" in kinds:
        return Failure(
            f"{server.name}: the account has no quota left ({answered}); answers so far are kept",
            fatal=True,
        )
    if error.param == "temperature":
        return Failure(
            f"model {settings.model!r} does not take the temperature 0 that labels are asked at"
            f" ({answered}); choose another model",
            fatal=True,
        )
    if status in {408, 409, 429} or status >= 500:
        retried = error.request.headers.get(RETRY_COUNT)
        wait = _wait_asked_for(error, server) if retried != str(settings.retries) else ""
        return Failure(f"The server {answered} ({_times_sent(retried)}{wait}).")
    return Failure(f"The server {answered}.")


def _wait_asked_for(error: openai.APIStatusError, server: ChatServer) -> str:
    """The wait for which the client did not retry, if the server asked for one."""
    wait = server.quote(error.response.headers.get("retry-after", ""))
    if not wait:
        return ""
    return f"; it asks to wait {wait} s" if wait.isdecimal() else f"; it asks to wait until {wait}"


def _times_sent(retried: str | None) -> str:
    count = int(retried or 0) + 1
    return "asked once" if count == 1 else f"asked {count} times"


def _message(error: openai.APIStatusError) -> str:
    """Return what the server says about its error, if it says it in a form that is known."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message", "") if isinstance(inner, dict) else inner
        return str(message)
    # A page of HTML from something in between says nothing that fits a line.
    return "" if not isinstance(body, str) or body.lstrip().startswith("<") else body
