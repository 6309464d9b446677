"""Labels of heads by in-context learning: five examples, then the head's descriptions.

A language model reads five heads that were labelled by hand (`data/incontext/examples.json`)
and then names the property that another head's descriptions have in common. The same model
judges which of the descriptions show that property, for the association score (section 4
of Madasu et al., 2024).
"""

import json
import math
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path
from typing import Any, Generic, TypeVar

from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from clipheads.bundle.disk.atomic_files import ensure_writable
from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.bundle.progress import Progress, Silent
from clipheads.labels.answer_cache import answer_key, has_answers, read_answer, write_answer
from clipheads.labels.chat import ChatClient, Question, Unanswered, api_key, server_address
from clipheads.labels.chat_settings import ChatSettings
from clipheads.labels.labeller import HeadLabels, Labeller
from clipheads.texts.pools import Description

PROMPT_VERSION = "1"
"""Raised when the instructions below or the reading of answers change."""

DEFAULT_MODEL = "gpt-4o-mini"

LONGEST_LABEL = 4
"""Words; a property is a word or two, and a longer text is no label but a sentence."""

LONGEST_LABEL_TEXT = 60
"""Characters, for a language that writes without spaces, or a word without end."""

LONGEST_REASON = 500
"""Characters; a reason is a sentence or two, and a longer one is cut."""

TIMEOUT, RETRIES, BACKOFF = 60.0, 5, 1.0
"""Seconds for one request; further requests after a passing trouble; seconds before the first."""

TOKEN_ESTIMATE = (
    "estimated as one token for four characters of English prompt and schema, four more for"
    " each message, 80 for a label with its reason, and 12 for each description judged"
)

_LABEL_INSTRUCTIONS = f"""\
An attention head of a vision model is described by short texts, the most telling first. Name \
the property that most of them have in common, as the examples do.

Rules:
- The label names the property, not one of its values: "colour", not "red".
- Take the narrowest property that still covers most of the texts; ignore a few that do not fit.
- One word if there is one, at most {LONGEST_LABEL} words, in English, in lower case, singular, \
without punctuation.
- If no property covers at least three of the texts, the label is null. Do not force one.

Answer in JSON and nothing else: {{"reason": "one or two sentences", "label": "the label"}}"""

_JUDGE_INSTRUCTIONS = """\
You are given a property and a numbered list of texts that describe images. Say of each text \
whether it shows this property: whether it speaks of the property itself or of one of its values. \
For the property "colour", "a red car" and "muted tones" show it, and "a fast car" does not. Judge \
each text alone.

Answer in JSON and nothing else, with every number once, in order: \
{"verdicts": [{"number": 1, "shows": true}, {"number": 2, "shows": false}]}"""


class _Answer(BaseModel):
    """A form that an answer must have; what a server without schemas adds is not read."""

    model_config = ConfigDict(strict=True, json_schema_extra={"additionalProperties": False})


class _LabelAnswer(_Answer):
    # The reason comes first: what a model writes before its answer can still change it.
    reason: str = Field(description="Why this property, or why none, in one or two sentences")
    label: str | None = Field(description="The property in common, or null if there is none")


class _Verdict(_Answer):
    number: int
    shows: bool


class _JudgeAnswer(_Answer):
    verdicts: list[_Verdict]


class _Example(_Answer):
    descriptions: list[str]
    label: str
    reason: str


@dataclass(frozen=True)
class Judgement:
    """Which of a head's descriptions show its label, or why that is not known."""

    shows: list[bool] | None
    """One for each description, in order; None if the question got no usable answer."""
    reason: str = ""


@dataclass(frozen=True)
class CallEstimate:
    """What a run would ask of the server, beyond the answers that are kept already."""

    label_calls: int
    judge_calls: int
    """At most: a head that turns out to have no label is not judged."""
    prompt_tokens: int
    """See TOKEN_ESTIMATE."""
    answer_tokens: int


def name_heads_in_context(
    heads: Mapping[str, Sequence[Description]],
    _bundle: Path | None = None,
    *,
    cache: Path,
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    concurrency: int = 4,
    progress: Progress | None = None,
) -> HeadLabels:
    """Label heads and judge their descriptions by a language model.

    A head whose judgement fails keeps its label; the reason then says that its descriptions
    were not judged, and none of them matches. Arguments and errors raised are those of
    `label_heads_in_context`.

    Raises:
        AtlasError: also if no question about a label got an answer.
    """
    texts = {
        head: [description.text for description in descriptions]
        for head, descriptions in heads.items()
    }
    labels, unanswered = _labels_in_context(
        texts,
        cache=cache,
        model=model,
        base_url=base_url,
        concurrency=concurrency,
        timeout=TIMEOUT,
        retries=RETRIES,
        backoff=BACKOFF,
        progress=progress or Silent(),
    )
    asked = [head for head, described in texts.items() if described]
    if unanswered and len(unanswered) == len(asked):
        raise AtlasError(
            f"no question about a label got an answer ({asked[0]}:"
            f" {unanswered[asked[0]].rstrip('.')}); the labels stay as they are"
        )
    judged = judge_heads_in_context(
        {head: (one.text, texts[head]) for head, one in labels.items() if one.text is not None},
        cache=cache,
        model=model,
        base_url=base_url,
        concurrency=concurrency,
        progress=progress,
    )
    matching = {head: [False] * len(texts[head]) for head in heads}
    for head, judgement in judged.items():
        if judgement.shows is None:
            reason = f"{labels[head].reason} Its descriptions are not judged: {judgement.reason}"
            labels[head] = labels[head].model_copy(update={"reason": reason.strip()})
        else:
            matching[head] = judgement.shows
    return HeadLabels(labels, matching, in_context_record(model), unanswered)


def label_heads_in_context(
    heads: Mapping[str, Sequence[str]],
    *,
    cache: Path,
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    concurrency: int = 4,
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
    backoff: float = BACKOFF,
    progress: Progress | None = None,
) -> dict[str, Label]:
    """Label heads by what a language model finds common to their descriptions.

    A head whose question fails has no label and the reason why; its failure is not kept,
    so that the next run asks for it again and for nothing else. The key is read from
    `OPENAI_API_KEY`, and only if there is something to ask.

    Args:
        heads: for each head, such as `L11.H7`, its TEXTSPAN descriptions in order.
        cache: folder of answers; made if missing.
        model: as the server names it.
        base_url: of a server that speaks OpenAI's chat completions; by default
            `OPENAI_BASE_URL`, or else OpenAI's own.
        concurrency: requests at once.
        timeout: seconds for one request as a whole.
        retries: further requests for a head after 429, 5xx, a timeout or a dropped
            connection.
        backoff: seconds before the first retry, doubled before each further one; a
            server's `Retry-After` goes first.
        progress: told of each head that is done, and of the failed ones in one line.

    Returns:
        A label for each head, in the order of `heads`.

    Raises:
        AtlasError: if no question can be asked: no key, a key or model that the server
            does not take, a server that cannot be reached, a cache that cannot be written.
    """
    labels, _unanswered = _labels_in_context(
        heads,
        cache=cache,
        model=model,
        base_url=base_url,
        concurrency=concurrency,
        timeout=timeout,
        retries=retries,
        backoff=backoff,
        progress=progress or Silent(),
    )
    return labels


def _labels_in_context(
    heads: Mapping[str, Sequence[str]], **settings: Any
) -> tuple[dict[str, Label], dict[str, str]]:
    """Return a label for each head, and why the heads have none that got no answer."""
    asked = {
        head: _Asked(_label_question(texts), _read_label) for head, texts in heads.items() if texts
    }
    answers = _answers(asked, stage="labels", **settings)
    labels, unanswered = {}, {}
    for head in heads:
        answer = answers.get(head)
        if answer is None:
            reason = "The head's contribution does not vary over the gallery."
            labels[head] = Label(text=None, confidence=None, reason=reason)
        elif isinstance(answer, Unanswered):
            labels[head] = Label(text=None, confidence=None, reason=answer.reason)
            unanswered[head] = answer.reason
        else:
            labels[head] = answer
    return labels, unanswered


def judge_heads_in_context(
    heads: Mapping[str, tuple[str, Sequence[str]]],
    *,
    cache: Path,
    model: str = DEFAULT_MODEL,
    base_url: str | None = None,
    concurrency: int = 4,
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
    backoff: float = BACKOFF,
    progress: Progress | None = None,
) -> dict[str, Judgement]:
    """Ask a language model which descriptions of each head show the head's label.

    One question for each head; `heads` gives its label and its descriptions. Settings,
    failures, answers kept and errors raised are those of `label_heads_in_context`.

    Returns:
        A judgement for each head, in the order of `heads`.
    """
    asked = {
        head: _Asked(_judge_question(label, texts), _verdict_reader(len(texts)))
        for head, (label, texts) in heads.items()
        if texts
    }
    answers = _answers(
        asked,
        stage="association",
        model=model,
        base_url=base_url,
        cache=cache,
        concurrency=concurrency,
        timeout=timeout,
        retries=retries,
        backoff=backoff,
        progress=progress or Silent(),
    )
    judgements = {}
    for head in heads:
        answer = answers.get(head, [])
        if isinstance(answer, Unanswered):
            judgements[head] = Judgement(None, answer.reason)
        else:
            judgements[head] = Judgement(answer)
    return judgements


def ensure_askable(base_url: str | None, cache: Path) -> None:
    """Find out before a long computation that its questions could not be asked after it.

    A key is not needed where answers are kept: they may be all.

    Raises:
        AtlasError: if the server's address is none, or the key is missing or cannot be one.
    """
    server_address(base_url)
    if os.environ.get("OPENAI_API_KEY", "").strip() or not has_answers(cache):
        api_key()


def estimate_calls(
    heads: Mapping[str, Sequence[str]], *, cache: Path, model: str = DEFAULT_MODEL
) -> CallEstimate:
    """Count the questions that labelling and judging these heads would ask; ask nothing.

    Needs no key and no server. What is judged depends on the labels: a head that has none
    yet is counted with one question about a property of ordinary length.
    """
    label_questions: dict[str, Question] = {}
    judge_questions: dict[str, Question] = {}
    verdicts = 0
    for texts in heads.values():
        if not texts:
            continue
        question = _label_question(texts)
        key = _key(question, model)
        kept = _kept(cache, key, _read_label)
        if kept is None:
            label_questions[key] = question
        elif kept.text is None:
            continue
        judged = _judge_question((kept and kept.text) or "property", texts)
        key = _key(judged, model)
        if _kept(cache, key, _verdict_reader(len(texts))) is None and key not in judge_questions:
            judge_questions[key] = judged
            verdicts += len(texts)
    questions = [*label_questions.values(), *judge_questions.values()]
    return CallEstimate(
        label_calls=len(label_questions),
        judge_calls=len(judge_questions),
        prompt_tokens=sum(map(_prompt_tokens, questions)),
        answer_tokens=80 * len(label_questions) + 12 * verdicts,
    )


def in_context_labeller(settings: ChatSettings, answers: Path, progress: Progress) -> Labeller:
    """Return the labeller that asks a language model.

    Raises:
        AtlasError: if no question could be asked, see `ensure_askable`.
    """
    ensure_askable(settings.server, answers)

    def label_heads(heads: Mapping[str, Sequence[Description]], bundle: Path) -> HeadLabels:
        return name_heads_in_context(
            heads,
            bundle,
            cache=answers,
            model=settings.model,
            base_url=settings.server,
            concurrency=settings.concurrency,
            progress=progress,
        )

    key = {"model": settings.model, "prompt_version": PROMPT_VERSION}
    return Labeller("openai", key, label_heads)


def in_context_record(model: str = DEFAULT_MODEL) -> LabellerRecord:
    """Return the record of this labeller."""
    return LabellerRecord(
        kind="openai",
        method=(
            f"The language model {model} read {len(_examples())} heads labelled by hand, each"
            " with the reason, and then, at temperature 0, the head's descriptions; it named the"
            " property that most of them have in common, or none if fewer than three share one."
            " It also judged which descriptions show that property."
        ),
        model=model,
        prompt_version=PROMPT_VERSION,
    )


Read = TypeVar("Read")


@dataclass(frozen=True)
class _Asked(Generic[Read]):
    question: Question
    read: Callable[[str], Read]
    """Turns an answer into what it says; ValueError says what is wrong with it."""


def _answers(
    asked: Mapping[str, _Asked[Read]],
    *,
    stage: str,
    model: str,
    base_url: str | None,
    cache: Path,
    concurrency: int,
    timeout: float,
    retries: int,
    backoff: float,
    progress: Progress,
) -> dict[str, Read | Unanswered]:
    """Answer each head's question from the cache or else by asking, each question once."""
    heads_of: dict[str, list[str]] = {}
    for head, one in asked.items():
        heads_of.setdefault(_key(one.question, model), []).append(head)
    by_key = {key: asked[heads[0]] for key, heads in heads_of.items()}
    read: dict[str, Read | Unanswered] = {}
    for key, one in by_key.items():
        kept = _kept(cache, key, one.read)
        if kept is not None:
            read[key] = kept

    def accept(key: str, answer: str) -> None:
        read[key] = by_key[key].read(answer)
        about = {
            "model": model,
            "prompt_version": PROMPT_VERSION,
            "question": str(by_key[key].question.messages[-1].get("content")),
        }
        try:
            write_answer(cache, key, answer, about)
        except OSError as error:
            raise AtlasError(f"{cache}: an answer cannot be kept ({error.strerror})") from error

    missing = {key: one.question for key, one in by_key.items() if key not in read}
    with progress.stage(stage, len(asked), "heads") as advance:
        advance(sum(len(heads_of[key]) for key in read))
        if missing:
            client = ChatClient(model, base_url, timeout=timeout, retries=retries, backoff=backoff)
            ensure_writable(cache)
            with closing(client.ask_all(missing, concurrency, accept)) as finished:
                for key, failure in finished:
                    if failure is not None:
                        read[key] = failure
                    advance(len(heads_of[key]))
    answers = {head: read[key] for key, heads in heads_of.items() for head in heads}
    failed = [(head, one) for head, one in answers.items() if isinstance(one, Unanswered)]
    if failed:
        head, first = failed[0]
        progress.note(
            f"{stage}: {len(failed)} of {len(asked)} heads got no answer ({head}:"
            f" {first.reason.rstrip('.')}); run again to ask for these anew"
        )
    return answers


def _key(question: Question, model: str) -> str:
    return answer_key([question.messages, question.schema], model, PROMPT_VERSION)


def _kept(cache: Path, key: str, read: Callable[[str], Read]) -> Read | None:
    answer = read_answer(cache, key)
    try:
        return None if answer is None else read(answer)
    except ValueError:
        return None


def _label_question(descriptions: Sequence[str]) -> Question:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": _LABEL_INSTRUCTIONS}
    ]
    for example in _examples():
        answer = {"reason": example.reason, "label": example.label}
        messages.append({"role": "user", "content": _numbered(example.descriptions)})
        messages.append({"role": "assistant", "content": json.dumps(answer, ensure_ascii=False)})
    messages.append({"role": "user", "content": _numbered(descriptions)})
    return Question(messages, "head_label", _LabelAnswer.model_json_schema())


def _judge_question(label: str, descriptions: Sequence[str]) -> Question:
    asked = f"Property: {label}\n\n{_numbered(descriptions)}"
    return Question(
        [
            {"role": "system", "content": _JUDGE_INSTRUCTIONS},
            {"role": "user", "content": asked},
        ],
        "verdicts",
        _JudgeAnswer.model_json_schema(),
    )


def _numbered(descriptions: Sequence[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(descriptions, start=1))


def _read_label(answer: str) -> Label:
    said = _read_json(answer, _LabelAnswer)
    reason = _shown(said.reason)
    if len(reason) > LONGEST_REASON:
        reason = reason[: LONGEST_REASON - 1].rstrip() + "…"
    if said.label is None:
        reason = reason or "The model found no property in common."
        return Label(text=None, confidence=None, reason=reason)
    if re.search(r"[.!?]\s+\S|[\n;:]", said.label.strip()):
        raise ValueError("The answer's label is more than a name of a property.")
    text = _shown(said.label).strip("\"'“”‘’.,!? ")
    if not fold_label(text):
        raise ValueError("The answer's label is empty.")
    if len(text.split()) > LONGEST_LABEL:
        raise ValueError(f"The answer's label has {len(text.split())} words, not a few.")
    if len(text) > LONGEST_LABEL_TEXT:
        raise ValueError(f"The answer's label has {len(text)} characters, not a few.")
    return Label(text=text, confidence=None, reason=reason)


def _shown(text: str) -> str:
    """One line of what a reader sees: no character that moves, hides or reorders others."""
    seen = "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char
        for char in text
        if unicodedata.category(char) not in {"Cf", "Cs"} or char in "\u200c\u200d"
    )
    return " ".join(seen.split())


def _verdict_reader(count: int) -> Callable[[str], list[bool]]:
    def read(answer: str) -> list[bool]:
        verdicts = _read_json(answer, _JudgeAnswer).verdicts
        if [verdict.number for verdict in verdicts] != list(range(1, count + 1)):
            raise ValueError(f"The answer does not judge each of the {count} descriptions once.")
        return [verdict.shows for verdict in verdicts]

    return read


Form = TypeVar("Form", bound=_Answer)


def _read_json(answer: str, form: type[Form]) -> Form:
    # A server that knows no schemas may put its JSON in a fence or a sentence.
    start, end = answer.find("{"), answer.rfind("}")
    try:
        return form.model_validate_json(answer[start : end + 1] if start >= 0 else answer)
    except ValidationError as error:
        broken = error.errors()[0]["type"] == "json_invalid"
        raise ValueError(
            "The answer is not JSON." if broken else "The answer has another form than asked for."
        ) from None


@remember
def _examples() -> tuple[_Example, ...]:
    path = data_file("incontext", "examples.json")
    try:
        return tuple(TypeAdapter(list[_Example]).validate_json(path.read_bytes()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise AtlasError(f"{path}: {where}: {first['msg']}") from error


def _prompt_tokens(question: Question) -> int:
    characters = len(json.dumps(question.schema))
    characters += sum(len(str(message.get("content"))) for message in question.messages)
    return math.ceil(characters / 4) + 4 * len(question.messages)
