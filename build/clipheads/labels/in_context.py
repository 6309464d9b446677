"""The labeller that queries a language model: in-context learning from heads labelled by hand.

The model names the property that a head's descriptions have in common, and then judges which of
them show it, for the association score (section 4 of Madasu et al., 2024).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.bundle.progress import Progress
from clipheads.labels.chat.answer_cache import has_answers
from clipheads.labels.chat.cached_answers import answer_questions
from clipheads.labels.chat.client import Unanswered
from clipheads.labels.chat.server import api_key, server_address
from clipheads.labels.chat.settings import ChatSettings
from clipheads.labels.in_context_prompts import (
    PROMPT_VERSION,
    examples,
    label_question,
    matching_question,
)
from clipheads.labels.labeller import HeadLabels, Labeller
from clipheads.texts.pools import Description


def in_context_labeller(settings: ChatSettings, answers: Path, progress: Progress) -> Labeller:
    """Return the labeller that queries a language model.

    Args:
        settings: model, server, timeout and retries.
        answers: folder of answers; made if missing.
        progress: notified of each finished head.

    Raises:
        AtlasError: if no question could be sent, see `ensure_askable`; when heads are labelled,
            see `answer_questions`, and if no question about a label got an answer.
    """
    ensure_askable(settings, answers)

    def label_heads(heads: Mapping[str, Sequence[Description]], _bundle: Path) -> HeadLabels:
        texts = {
            head: [description.text for description in descriptions]
            for head, descriptions in heads.items()
        }
        labels = ask_labels(texts, settings, answers, progress)
        _ensure_some_answer(labels, texts)
        labelled = {
            head: (label.text, texts[head])
            for head, label in labels.items()
            if isinstance(label, Label) and label.text is not None
        }
        matching = ask_matching(labelled, settings, answers, progress)
        return _head_labels(texts, labels, matching, settings.model)

    return label_heads


def ask_labels(
    heads: Mapping[str, Sequence[str]], settings: ChatSettings, answers: Path, progress: Progress
) -> dict[str, Label | Unanswered]:
    """Ask for the label of each head.

    Args:
        heads: for each head its TEXTSPAN descriptions in order.
        settings: see `answer_questions`, also for the other arguments and the errors raised.
        answers: folder of answers.
        progress: notified of each finished head.

    Returns:
        The label of each head, or why there is none, in the order of `heads`.
    """
    questions = {head: label_question(texts) for head, texts in heads.items() if texts}
    found = answer_questions(questions, settings, answers, progress, stage="labels")
    constant = Label(
        text=None,
        confidence=None,
        reason="The head's contribution does not vary over the gallery.",
    )
    return {head: found.get(head, constant) for head in heads}


def ask_matching(
    heads: Mapping[str, tuple[str, Sequence[str]]],
    settings: ChatSettings,
    answers: Path,
    progress: Progress,
) -> dict[str, list[bool] | Unanswered]:
    """Ask which descriptions of each head show its label, one question for each head.

    Args:
        heads: for each head its label and its descriptions.
        settings: see `answer_questions`, also for the other arguments and the errors raised.
        answers: folder of answers.
        progress: notified of each finished head.

    Returns:
        A verdict for each description, or why there is none, in the order of `heads`.
    """
    questions = {
        head: matching_question(label, texts) for head, (label, texts) in heads.items() if texts
    }
    found = answer_questions(questions, settings, answers, progress, stage="association")
    return {head: found.get(head, []) for head in heads}


def ensure_askable(settings: ChatSettings, answers: Path) -> None:
    """Find out before a long computation that its questions could not be sent afterwards.

    A key is not needed where answers are kept: they may be all.

    Raises:
        AtlasError: if the server's address is none, or the key is missing or cannot be one.
    """
    server_address(settings.server)
    if os.environ.get("OPENAI_API_KEY", "").strip() or not has_answers(answers):
        api_key()


def in_context_record(model: str) -> LabellerRecord:
    """Return the record of this labeller."""
    return LabellerRecord(
        kind="openai",
        method=(
            f"The language model {model} read {len(examples())} heads labelled by hand, each"
            " with the reason, and then, at temperature 0, the head's descriptions; it named the"
            " property that most of them have in common, or none if fewer than three share one."
            " It also judged which descriptions show that property."
        ),
        model=model,
        prompt_version=PROMPT_VERSION,
    )


def _ensure_some_answer(
    labels: Mapping[str, Label | Unanswered], texts: Mapping[str, Sequence[str]]
) -> None:
    described = {head: labels[head] for head in texts if texts[head]}
    failed = {head: label for head, label in described.items() if isinstance(label, Unanswered)}
    if failed and len(failed) == len(described):
        head, first = next(iter(failed.items()))
        raise AtlasError(
            f"no question about a label got an answer ({head}: {first.reason.rstrip('.')});"
            " the labels stay unchanged"
        )


def _head_labels(
    texts: Mapping[str, Sequence[str]],
    found: Mapping[str, Label | Unanswered],
    matching: Mapping[str, list[bool] | Unanswered],
    model: str,
) -> HeadLabels:
    """Put labels and verdicts together.

    A head whose question failed has no label, and one whose verdicts failed keeps its label; the
    reason then says so, and none of its descriptions matches.
    """
    labels: dict[str, Label] = {}
    matched: dict[str, list[bool]] = {}
    unanswered: dict[str, str] = {}
    for head, label in found.items():
        matched[head] = [False] * len(texts[head])
        if isinstance(label, Unanswered):
            labels[head] = Label(text=None, confidence=None, reason=label.reason)
            unanswered[head] = label.reason
            continue
        labels[head] = label
        verdicts = matching.get(head)
        if isinstance(verdicts, Unanswered):
            reason = f"{label.reason} Its descriptions are not judged: {verdicts.reason}"
            labels[head] = label.model_copy(update={"reason": reason.strip()})
        elif verdicts is not None:
            matched[head] = verdicts
    return HeadLabels(labels, matched, in_context_record(model), unanswered)
