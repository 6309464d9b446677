"""What the in-context labeller would ask and cost, found out without a key or a server."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipheads.labels.chat.cached_answers import cached_answer
from clipheads.labels.chat.client import Prompt
from clipheads.labels.in_context_prompts import label_question, matching_question

TOKEN_ESTIMATE = (
    "estimated as one token for four characters of English prompt and schema, four more for"
    " each message, 80 for a label with its reason, and 12 for each description judged"
)


@dataclass(frozen=True)
class CallEstimate:
    """What a run would ask of the server, beyond the answers that are kept already."""

    label_calls: int
    judge_calls: int
    """At most: a head that turns out to have no label is not judged."""
    prompt_tokens: int
    """See TOKEN_ESTIMATE."""
    answer_tokens: int


def estimate_calls(heads: Mapping[str, Sequence[str]], model: str, answers: Path) -> CallEstimate:
    """Count the questions that labelling and judging these heads would ask; ask nothing.

    What is judged depends on the labels: a head that has none yet is counted with one question
    about a property of ordinary length.

    Args:
        heads: for each head its TEXTSPAN descriptions in order.
        model: as the server names it.
        answers: folder of answers.
    """
    label_prompts: dict[str, Prompt] = {}
    judge_prompts: dict[str, Prompt] = {}
    verdicts = 0
    for texts in heads.values():
        if not texts:
            continue
        labelling = label_question(texts)
        kept = cached_answer(labelling, model, answers)
        if kept is None:
            label_prompts[labelling.key(model)] = labelling.prompt
        elif kept.text is None:
            continue
        judging = matching_question((kept and kept.text) or "property", texts)
        key = judging.key(model)
        if cached_answer(judging, model, answers) is None and key not in judge_prompts:
            judge_prompts[key] = judging.prompt
            verdicts += len(texts)
    return CallEstimate(
        label_calls=len(label_prompts),
        judge_calls=len(judge_prompts),
        prompt_tokens=sum(map(_tokens, [*label_prompts.values(), *judge_prompts.values()])),
        answer_tokens=80 * len(label_prompts) + 12 * verdicts,
    )


def _tokens(prompt: Prompt) -> int:
    characters = len(json.dumps(prompt.schema))
    characters += sum(len(str(message.get("content"))) for message in prompt.messages)
    return math.ceil(characters / 4) + 4 * len(prompt.messages)
