"""The questions of the in-context labeller: prompts, forms of answers, and how they are read.

A language model reads five heads that were labelled by hand (`data/incontext/examples.json`), each
with the reason, and then the descriptions of another head.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label
from clipheads.labels.chat.cached_answers import Question
from clipheads.labels.chat.client import Prompt

PROMPT_VERSION = "1"
"""Raised when the instructions below or the reading of answers change."""

LONGEST_LABEL = 4
"""Words; a property is a word or two, and a longer text is no label but a sentence."""

LONGEST_LABEL_TEXT = 60
"""Characters, for a language that writes without spaces, or an endless word."""

LONGEST_REASON = 500
"""Characters; a reason is a sentence or two, and a longer one is cut."""

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


class Example(_Answer):
    """A head that was labelled by hand."""

    descriptions: list[str]
    label: str
    reason: str


def label_question(descriptions: Sequence[str]) -> Question[Label]:
    """Ask for the property that a head's descriptions have in common.

    Raises:
        AtlasError: if the examples cannot be read.
    """
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": _LABEL_INSTRUCTIONS}
    ]
    for example in examples():
        answer = {"reason": example.reason, "label": example.label}
        messages.append({"role": "user", "content": _numbered(example.descriptions)})
        messages.append({"role": "assistant", "content": json.dumps(answer, ensure_ascii=False)})
    messages.append({"role": "user", "content": _numbered(descriptions)})
    prompt = Prompt(messages, "head_label", _LabelAnswer.model_json_schema())
    return Question(prompt, PROMPT_VERSION, _read_label)


def matching_question(label: str, descriptions: Sequence[str]) -> Question[list[bool]]:
    """Ask which descriptions show a label; the answer has one verdict for each, in order."""
    prompt = Prompt(
        [
            {"role": "system", "content": _JUDGE_INSTRUCTIONS},
            {"role": "user", "content": f"Property: {label}\n\n{_numbered(descriptions)}"},
        ],
        "verdicts",
        _JudgeAnswer.model_json_schema(),
    )

    def read(answer: str) -> list[bool]:
        verdicts = _read_json(answer, _JudgeAnswer).verdicts
        count = len(descriptions)
        if [verdict.number for verdict in verdicts] != list(range(1, count + 1)):
            raise ValueError(f"The answer does not judge each of the {count} descriptions once.")
        return [verdict.shows for verdict in verdicts]

    return Question(prompt, PROMPT_VERSION, read)


@cache
def examples() -> tuple[Example, ...]:
    """Return the heads that were labelled by hand.

    Raises:
        AtlasError: if their file cannot be read.
    """
    path = data_file("incontext", "examples.json")
    try:
        return tuple(TypeAdapter(list[Example]).validate_json(path.read_bytes()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise AtlasError(f"{path}: {where}: {first['msg']}") from error


def _numbered(descriptions: Sequence[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(descriptions, start=1))


def _read_label(answer: str) -> Label:
    found = _read_json(answer, _LabelAnswer)
    reason = _shown(found.reason)
    if len(reason) > LONGEST_REASON:
        reason = reason[: LONGEST_REASON - 1].rstrip() + "…"
    if found.label is None:
        reason = reason or "The model found no property in common."
        return Label(text=None, confidence=None, reason=reason)
    if re.search(r"[.!?]\s+\S|[\n;:]", found.label.strip()):
        raise ValueError("The answer's label is more than a name of a property.")
    text = _shown(found.label).strip("\"'“”‘’.,!? ")
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
