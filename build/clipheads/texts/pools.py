"""Reads the texts of an atlas: descriptions, topics, contrasts, and words that are printed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.disk.record_files import read_table, read_text
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.pool import DescriptionPool
from clipheads.gallery.lettering import unprintable


@dataclass(frozen=True)
class Description:
    """A text that TEXTSPAN may pick, and the property that it describes, if there is any."""

    text: str
    property: str | None = None


def read_descriptions(
    path: Path, note: Callable[[str], None] = lambda _message: None
) -> list[Description]:
    """Read a `.csv` with the columns `text` and `property`, or a `.txt` with a text a line.

    Empty lines and repeated texts are dropped; `note` receives a message about the repeated ones.

    Raises:
        AtlasError: if the file cannot be read, has another form, or holds no text.
    """
    if path.suffix.lower() == ".txt":
        rows = [Description(_squeeze(line)) for line in read_text(path).splitlines()]
    elif path.suffix.lower() == ".csv":
        rows = [
            Description(_squeeze(row.fields["text"]), _squeeze(row.fields["property"]) or None)
            for row in read_table(path, ("text", "property"))
        ]
    else:
        raise AtlasError(f"{path}: descriptions are read from a .csv or a .txt file")
    kept = {row.text: row for row in reversed(rows) if row.text}
    descriptions = [row for row in rows if row.text and kept[row.text] is row]
    if not descriptions:
        raise AtlasError(f"{path}: no description in it")
    repeated = sum(1 for row in rows if row.text) - len(descriptions)
    if repeated:
        note(f"{path.name}: {repeated} repeated {'text' if repeated == 1 else 'texts'} dropped")
    return descriptions


def read_contrasts(path: Path) -> list[tuple[str, str]]:
    """Read pairs of texts to be contrasted from a `.csv` (`first`, `second`).

    Raises:
        AtlasError: if the file cannot be read, or a pair lacks a text.
    """
    pairs = [
        (_squeeze(row.fields["first"]), _squeeze(row.fields["second"]))
        for row in read_table(path, ("first", "second"))
    ]
    pairs = [pair for pair in dict.fromkeys(pairs) if any(pair)]
    for first, second in pairs:
        if not first or not second:
            raise AtlasError(f"{path}: {first or second!r} has no text to be contrasted with")
    return pairs


def read_words(path: Path) -> list[tuple[str, str]]:
    """Read the words that are printed on pictures from a `.csv` (`word`, `text`).

    The text is a prompt for the word, such as `a photo of a dog` for `dog`.

    Raises:
        AtlasError: if the file cannot be read, a row lacks one of them, a word cannot be printed
            or is repeated, or there are fewer than two words.
    """
    words: dict[str, str] = {}
    for line, fields in read_table(path, ("word", "text")):
        word, text = _squeeze(fields["word"]), _squeeze(fields["text"])
        if not word and not text:
            continue
        if not word or not text:
            raise AtlasError(f"{path}, line {line}: {word or text!r} needs both a word and a text")
        if word in words:
            raise AtlasError(f"{path}, line {line}: {word!r} stands there twice")
        missing = unprintable(word)
        if missing:
            raise AtlasError(
                f"{path}, line {line}: {word!r} cannot be printed: the font has no {missing!r};"
                " it has English letters, digits and punctuation"
            )
        words[word] = text
    if len(words) < 2:
        raise AtlasError(f"{path}: at least two words are needed, to compare each with the others")
    return list(words.items())


def pool_record(name: str, descriptions: Sequence[Description]) -> DescriptionPool:
    """Return what the bundle keeps about a pool."""
    properties = {fold_label(row.property) for row in descriptions if row.property}
    return DescriptionPool(
        name=name,
        count=len(descriptions),
        properties=len(properties),
        sha256=sha256_json([[row.text, row.property] for row in descriptions]),
    )


def _squeeze(text: str) -> str:
    return " ".join(text.split())
