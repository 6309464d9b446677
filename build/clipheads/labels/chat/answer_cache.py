"""Answers of a language model, kept on disk so that no question is paid for twice.

One small JSON file for each answer, named by the hash of its question. It holds the question too,
so that a reader can see what an answer was given to.
"""

import json
from pathlib import Path

from clipheads.bundle.disk.atomic_files import replacing
from clipheads.bundle.disk.hashing import sha256_json


def answer_key(prompt: object, model: str, prompt_version: str) -> str:
    """Return the name of an answer: the hash of the prompt (plain JSON), model and version."""
    return sha256_json(prompt_version, model, prompt)


def has_answers(folder: Path) -> bool:
    """Whether any answer is kept there."""
    return next(folder.glob("*/*.json"), None) is not None


def read_answer(folder: Path, key: str) -> str | None:
    """Return the answer of this key, or None if there is none or its file is damaged."""
    try:
        kept = json.loads(_path(folder, key).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    answer = kept.get("answer") if isinstance(kept, dict) else None
    return answer if isinstance(answer, str) else None


def write_answer(folder: Path, key: str, answer: str, about: dict[str, str]) -> None:
    """Keep an answer; a reader sees all of its file or none.

    `about` is what else the file says to a person, such as the question and the model.

    Raises:
        OSError: if it cannot be written.
    """
    path = _path(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        text = json.dumps(about | {"answer": answer}, ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def _path(folder: Path, key: str) -> Path:
    # Folders of 256 hash prefixes keep a cache of many models listable.
    return folder / key[:2] / f"{key}.json"
