"""Answers from the cache or else from the server: no question is sent twice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from clipheads.bundle.disk.atomic_files import ensure_writable
from clipheads.bundle.errors import AtlasError, system_reason
from clipheads.bundle.progress import Progress
from clipheads.labels.chat.answer_cache import answer_key, read_answer, write_answer
from clipheads.labels.chat.client import Prompt, Unanswered, ask_all
from clipheads.labels.chat.server import find_server
from clipheads.labels.chat.settings import ChatSettings

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Question(Generic[Answer]):
    """A prompt, and how its answer is read."""

    prompt: Prompt
    version: str
    """Of the prompt and of the reading: an answer to another one is not read."""
    read: Callable[[str], Answer]
    """Turns an answer into what it says; ValueError says what is wrong with it."""

    def key(self, model: str) -> str:
        """Return the name of the answer that this model gives."""
        return answer_key([self.prompt.messages, self.prompt.schema], model, self.version)


def cached_answer(question: Question[Answer], model: str, answers: Path) -> Answer | None:
    """Return what is kept as the answer to a question, or None if nothing usable is."""
    answer = read_answer(answers, question.key(model))
    try:
        return None if answer is None else question.read(answer)
    except ValueError:
        return None


def answer_questions(
    questions: Mapping[str, Question[Answer]],
    settings: ChatSettings,
    answers: Path,
    progress: Progress,
    *,
    stage: str,
) -> dict[str, Answer | Unanswered]:
    """Answer the question about each head, from the cache or else from the server.

    Heads with the same question share one answer. A failure is not kept: the next run asks for it
    again and for nothing else. The key is read only if there is something to ask.

    Args:
        questions: by head.
        settings: model, server, timeout and retries.
        answers: folder of answers; made if missing.
        progress: notified of each finished head, and of the failed ones in one line.
        stage: what progress calls it.

    Raises:
        AtlasError: if no question can be asked: no key, a key or model that the server does not
            take, a server that cannot be reached, a cache that cannot be written.
    """
    heads_of: dict[str, list[str]] = {}
    for head, question in questions.items():
        heads_of.setdefault(question.key(settings.model), []).append(head)
    by_key = {key: questions[heads[0]] for key, heads in heads_of.items()}
    found: dict[str, Answer | Unanswered] = {}
    for key, question in by_key.items():
        kept = cached_answer(question, settings.model, answers)
        if kept is not None:
            found[key] = kept

    def accept(key: str, answer: str) -> None:
        question = by_key[key]
        found[key] = question.read(answer)
        about = {
            "model": settings.model,
            "prompt_version": question.version,
            "question": str(question.prompt.messages[-1].get("content")),
        }
        try:
            write_answer(answers, key, answer, about)
        except OSError as error:
            raise AtlasError(
                f"{answers}: an answer cannot be kept ({system_reason(error)})"
            ) from error

    missing = {key: question.prompt for key, question in by_key.items() if key not in found}
    with progress.stage(stage, len(questions), "heads") as advance:
        advance(sum(len(heads_of[key]) for key in found))

        def finished(key: str, failure: Unanswered | None) -> None:
            if failure is not None:
                found[key] = failure
            advance(len(heads_of[key]))

        if missing:
            server = find_server(settings)
            ensure_writable(answers)
            ask_all(missing, server, settings, accept=accept, finished=finished)
    of_heads = {head: found[key] for key, heads in heads_of.items() for head in heads}
    failed = [(head, answer) for head, answer in of_heads.items() if isinstance(answer, Unanswered)]
    if failed:
        head, first = failed[0]
        progress.note(
            f"{stage}: {len(failed)} of {len(questions)} heads got no answer ({head}:"
            f" {first.reason.rstrip('.')}); run again to ask for these anew"
        )
    return of_heads
