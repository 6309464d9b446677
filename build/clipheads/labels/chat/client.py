"""Sends many questions to a chat-completions server, and keeps each answer as it arrives.

Works with any server that speaks the wire format. Retries and the waits before them are those of
openai's client. What goes wrong with one question is that question's `Unanswered`; what would go
wrong with all of them (a refused key, no server, an unknown model) ends the run with one
AtlasError.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import openai
from openai.types.chat import ChatCompletionMessageParam

from clipheads.bundle.errors import AtlasError
from clipheads.labels.chat.bounded_http import (
    LARGEST_REPLY,
    BoundedClient,
    Stopped,
    TooLarge,
    Unresponsive,
)
from clipheads.labels.chat.failures import (
    Failure,
    connection_failure,
    read_content,
    status_failure,
    unreachable,
    unresponsive,
)
from clipheads.labels.chat.server import ChatServer
from clipheads.labels.chat.settings import ChatSettings

FORMS = ("json_schema", "json_object", "text")
"""How the answer's form is requested. If a server refuses one, the next is tried.

All servers get the form in the prompt as well. `json_schema` enforces it
on the server; `json_object` promises JSON of any shape; `text` promises nothing. An answer is
checked in the same way whatever was promised.
"""


@dataclass(frozen=True)
class Prompt:
    """The question, and the JSON schema that the answer must follow."""

    messages: list[ChatCompletionMessageParam]
    schema_name: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Unanswered:
    """A question that got no answer, and why, in a sentence for the reader."""

    reason: str


Finished = tuple[str, Unanswered | None]
"""The name of a question that is done, and why it has no answer if it has none."""


def ask_all(
    prompts: Mapping[str, Prompt],
    server: ChatServer,
    settings: ChatSettings,
    *,
    accept: Callable[[str, str], None],
    finished: Callable[[str, Unanswered | None], None],
) -> None:
    """Ask all questions, `settings.concurrency` at once.

    Args:
        prompts: the questions by their names.
        server: to query.
        settings: the model, timeout and retries.
        accept: called with a name and its answer as soon as that arrives, in a thread of its
            own: an answer that was paid for is kept even if the run is interrupted. It may raise
            ValueError with what is wrong with the answer.
        finished: called in the caller's thread for each question that is done.

    Raises:
        AtlasError: what would keep every question from its answer.
    """
    outcomes: SimpleQueue[Finished | None] = SimpleQueue()
    run = _Run(server, settings, accept, outcomes.put)
    loop = asyncio.new_event_loop()

    def work() -> None:
        try:
            loop.run_until_complete(run.ask_each(prompts))
        finally:
            outcomes.put(None)

    # In a thread, because a notebook has a loop of its own running in this one.
    with closing(loop), ThreadPoolExecutor(1, thread_name_prefix="ask") as executor:
        batch = executor.submit(work)
        try:
            while (outcome := outcomes.get()) is not None:
                finished(*outcome)
            batch.result()
        finally:
            loop.call_soon_threadsafe(run.stop)


class _Run:
    """What the questions of one `ask_all` share."""

    def __init__(
        self,
        server: ChatServer,
        settings: ChatSettings,
        accept: Callable[[str, str], None],
        finish: Callable[[Finished], None],
    ) -> None:
        self._settings = settings
        self._accept = accept
        self._finish = finish
        self._server = server
        # Twice the requests in flight may fail before the server is abandoned.
        self._http = BoundedClient(settings.timeout, most_silent=2 * (settings.concurrency + 1))
        self._tasks: set[asyncio.Task[None]] = set()
        self._form = 0

    async def ask_each(self, prompts: Mapping[str, Prompt]) -> None:
        async with openai.AsyncOpenAI(
            api_key=self._server.key,
            base_url=self._server.address,
            timeout=openai.Timeout(self._settings.timeout),
            max_retries=self._settings.retries,
            http_client=self._http,
        ) as client:
            turn = asyncio.Semaphore(self._settings.concurrency)
            self._tasks = {
                asyncio.create_task(self._answer(client, turn, name, prompt))
                for name, prompt in prompts.items()
            }
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
            self.stop()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in done:
            if not task.cancelled():
                task.result()

    def stop(self) -> None:
        """Make no further request; those under way are waited for, so that answers are kept."""
        self._http.stopped = True
        for task in self._tasks - self._http.sending - {asyncio.current_task()}:
            task.cancel()

    async def _answer(
        self, client: openai.AsyncOpenAI, turn: asyncio.Semaphore, name: str, prompt: Prompt
    ) -> None:
        async with turn:
            try:
                answer = await self._ask(client, prompt)
            except Stopped:
                return
            if isinstance(answer, Failure) and answer.fatal:
                # At once, and before the turn is passed on: no other task sends a request in vain.
                self.stop()
                raise AtlasError(answer.reason)
        if isinstance(answer, Failure):
            self._finish((name, Unanswered(answer.reason)))
            return
        try:
            self._accept(name, answer)
        except ValueError as error:
            self._finish((name, Unanswered(self._server.without_key(str(error)))))
        else:
            self._finish((name, None))

    async def _ask(self, client: openai.AsyncOpenAI, prompt: Prompt) -> str | Failure:
        form = self._form
        http, server, settings = self._http, self._server, self._settings
        try:
            reply = await client.chat.completions.with_raw_response.create(
                model=settings.model,
                messages=prompt.messages,
                temperature=0,
                **_response_format(FORMS[form], prompt),
            )
            return read_content(reply.content, server)
        except Stopped:
            raise
        except openai.APIStatusError as error:
            failure = status_failure(error, server, settings)
        except openai.APIConnectionError as error:
            failure = connection_failure(error, server, settings, reached=http.reached)
        except Unresponsive as error:
            failure = (
                unreachable(str(error.__cause__), server, reached=http.reached)
                if error.__cause__
                else unresponsive(http.silent, server, settings, reached=http.reached)
            )
        except TooLarge:
            failure = Failure(f"The server's reply is larger than {LARGEST_REPLY / 1e6:g} MB.")
        except (openai.OpenAIError, ValueError, RecursionError):
            failure = Failure("The server's reply is not a chat completion.")
        if failure.no_such_form and form + 1 < len(FORMS):
            self._form = max(self._form, form + 1)
            return await self._ask(client, prompt)
        return failure


def _response_format(form: str, prompt: Prompt) -> dict[str, Any]:
    if form == "text":
        return {}
    if form == "json_object":
        return {"response_format": {"type": form}}
    schema = {"name": prompt.schema_name, "strict": True, "schema": prompt.schema}
    return {"response_format": {"type": form, "json_schema": schema}}
