"""The HTTP client under the one of openai: no server makes a request endless or a reply large.

The client of openai repeats requests by its own rules, and honours a `Retry-After` of up to two
minutes. This adds what it leaves open: a time limit for a request as a whole, a size limit, no
redirects, no patience with a server that never answers, and an end that loses no answer.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import openai

LARGEST_REPLY = 1_000_000
"""Bytes; an answer has a few hundred."""

RETRY_COUNT = "x-stainless-retry-count"
"""The header in which the client of openai says how often it has repeated a request."""

# The client has changed to another major version of httpx, which is another package.
_httpx = import_module(openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0])

_SHOULD_RETRY = "x-should-retry"
"""The header that goes before the status in the client's decision; not left to the server."""

_NOT_KEPT = {"content-encoding", "content-length", "transfer-encoding", _SHOULD_RETRY}

_UNREACHABLE = {"ConnectError", "ProxyError", "UnsupportedProtocol"}


# The client of openai passes its own kind of error on and does not repeat the request.
class TooLarge(openai.OpenAIError):
    """A reply is beyond LARGEST_REPLY."""


class Unresponsive(openai.OpenAIError):
    """The server cannot be reached, or leaves all requests unanswered."""


class Stopped(openai.OpenAIError):
    """No further request is to be made."""


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """An HTTP client that sets a bound to everything."""

    def __init__(self, timeout: float, most_silent: int) -> None:
        """Make a client.

        Args:
            timeout: seconds for one request as a whole.
            most_silent: requests in a row that may get no answer in time.
        """
        super().__init__(timeout=openai.Timeout(timeout), follow_redirects=False)
        self._seconds = timeout
        self._most_silent = most_silent
        self.reached = False
        """Whether the server has ever answered."""
        self.silent = 0
        """Requests in a row that got no answer in time."""
        self.stopped = False
        self.sending: set[asyncio.Task[Any] | None] = set()
        """Tasks that wait for a server's answer, and not for their turn or for a retry."""

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request and return its response, which has been read."""
        if self.stopped:
            raise Stopped
        task = asyncio.current_task()
        self.sending.add(task)
        try:
            with self._counted(request):
                # httpx limits each read: a body that trickles would never end.
                async with asyncio.timeout(self._seconds):
                    response = await self._read(request, options)
        finally:
            self.sending.discard(task)
        if self.stopped and response.is_error:
            raise Stopped
        return response

    async def _read(self, request: Any, options: dict[str, Any]) -> Any:
        options |= {"stream": True, "follow_redirects": False}
        response = await super().send(request, **options)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_REPLY:
                    self.reached, self.silent = True, 0
                    raise TooLarge
        finally:
            await response.aclose()
        status = response.status_code
        headers = [item for item in response.headers.items() if item[0].lower() not in _NOT_KEPT]
        if status == 429 and b"insufficient_quota" in body:
            # The client of openai would repeat it, but no wait refills an account.
            headers.append((_SHOULD_RETRY, "false"))
        return type(response)(status, headers=headers, content=bytes(body), request=request)

    @contextmanager
    def _counted(self, request: Any) -> Iterator[None]:
        """Count the requests without an answer, and abandon a server that gives none."""
        try:
            yield
        except (TimeoutError, _httpx.RequestError) as error:
            if self.stopped:
                # Another question has ended the run: this one's trouble is not the reason.
                raise Stopped from None
            self._count_failure(error, request)
            raise
        self.reached, self.silent = True, 0

    def _count_failure(self, error: Exception, request: Any) -> None:
        if isinstance(error, TimeoutError | _httpx.TimeoutException):
            self.silent += 1
            if self.silent > self._most_silent:
                raise Unresponsive from None
            raise _httpx.ReadTimeout("no answer in time", request=request) from None
        if not is_unreachable(error):
            self.reached, self.silent = True, 0
            return
        self.silent += 1
        # A server that has never answered is more likely misspelt than restarting.
        if not self.reached and int(request.headers.get(RETRY_COUNT, 0)) >= 1:
            raise Unresponsive from error


def is_unreachable(error: BaseException | None) -> bool:
    """Whether this error of the HTTP client says that no connection came about."""
    return type(error).__name__ in _UNREACHABLE
