"""What the tokenizer in the browser needs: CLIP's merges, and the tables that clean a text.

open_clip splits a text only after ftfy and the HTML entities of Python's `html` have cleaned it.
The tables are read from these libraries as they are installed, so that the browser cleans a
text exactly as they do; no torch is imported.
"""

import gzip
import html
import html.entities
import importlib.util
import json
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import regex  # type: ignore[import-untyped]  # no stubs are installed with it
from ftfy import badness, chardata

from clipheads.errors import AtlasError

MERGES = 49152 - 256 - 2
"""How many merges of the file CLIP uses."""

_FILE = "bpe_simple_vocab_16e6.txt.gz"
_SPACE = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORD = r"\p{L}\p{N}_"


def merge_table() -> bytes:
    """CLIP's merges as gzip of little-endian uint16 [2, 48894]: first symbols, second symbols.

    A symbol below 256 is a byte, one below 512 a byte that ends a word, and 512 + k is what the
    merge of rank k made.

    Raises:
        AtlasError: if open_clip or its vocabulary is not installed.
    """
    found = importlib.util.find_spec("open_clip")
    file = Path((found and found.origin) or "").with_name(_FILE)
    if not file.is_file():
        raise AtlasError(f"{_FILE}: not found with open_clip; reinstall open_clip_torch")
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
    pairs = [line.split() for line in lines[1 : MERGES + 1]]
    bytes_ = [chr(code) for code in _byte_characters()]
    symbols = bytes_ + [f"{character}</w>" for character in bytes_]
    symbols += [first + second for first, second in pairs]
    ids = {symbol: number for number, symbol in enumerate(symbols)}
    table = np.array([[ids[symbol] for symbol in pair] for pair in pairs], dtype="<u2")
    return gzip.compress(np.ascontiguousarray(table.T).tobytes(), 9, mtime=0)


def cleaning_tables() -> bytes:
    """The tables of `text-cleaning.js`, as gzip of JSON."""
    encodings = []
    for name in chardata.CHARMAP_ENCODINGS:
        characters = bytes(range(256)).decode(name)
        encodings.append({"name": name, "characters": characters})
    upper = {
        name[1:]: text
        for name, text in chardata.HTML_ENTITIES.items()
        if name[1:] not in html.entities.html5
    }
    tables = {
        "badness": _javascript_pattern(badness.BADNESS_RE.pattern),
        "mojibake": _javascript_pattern(chardata.UTF8_DETECTOR_RE.pattern),
        "encodings": encodings,
        "assigned1252": [code for code in range(256) if _assigned(code)],
        "characters": _replaced_characters(),
        "entities": html.entities.html5,
        "upperEntities": upper,
        "badReferences": _bad_references(),
        "noReferences": _removed_references(),
        # Browsers follow newer or older versions of Unicode than the libraries.
        "unassigned": _class(lambda character: unicodedata.category(character) == "Cn"),
        "letters": _class(regex.compile(r"\p{L}").match),
        "numbers": _class(regex.compile(r"\p{N}").match),
    }
    text = json.dumps(tables, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return gzip.compress(text.encode("utf-8"), 9, mtime=0)


def _byte_characters() -> list[int]:
    """The character that stands for each byte in the vocabulary, in the vocabulary's order."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printing + [256 + n for n in range(256 - len(printing))]


def _assigned(code: int) -> bool:
    try:
        bytes([code]).decode("windows-1252")
    except UnicodeDecodeError:
        return False
    return True


def _replaced_characters() -> dict[str, str]:
    """What ligatures, full-width forms and curly quotes become, one after the other."""
    replaced = {}
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000:
            continue
        text = chr(code).translate(chardata.LIGATURES).translate(chardata.WIDTH_MAP)
        text = chardata.DOUBLE_QUOTE_RE.sub('"', text)
        text = chardata.SINGLE_QUOTE_RE.sub("'", text)
        if text != chr(code):
            replaced[chr(code)] = text
    return replaced


def _bad_references() -> dict[str, str]:
    """Numeric references such as &#128; that stand for another character than their number."""
    return {str(code): html.unescape(f"&#{code};") for code in [0, 0x0D, *range(0x80, 0xA0)]}


def _removed_references() -> list[int]:
    """Numeric references that stand for nothing."""
    return [code for code in range(1, sys.maxunicode + 1) if html.unescape(f"&#{code};") == ""]


def _class(belongs: Callable[[str], object]) -> str:
    """The characters for which `belongs` holds, as the inside of a class of JavaScript."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if belongs(chr(code)):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in ranges)


def _javascript_pattern(pattern: str) -> str:
    """A verbose pattern of Python as one that JavaScript reads with the flag u."""
    pieces = []
    in_class = False
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "\\":
            escape = character + pattern[at]
            at += 1
            inside = {"\\s": _SPACE, "\\w": _WORD}.get(escape)
            pieces.append(escape if inside is None else inside if in_class else f"[{inside}]")
        elif in_class:
            in_class = character != "]"
            # A class may hold characters that only JavaScript gives a meaning.
            pieces.append(f"\\{character}" if character in "[/(){}|" else character)
        elif character == "#":
            at = pattern.find("\n", at)
            at = len(pattern) if at < 0 else at
        elif character == ".":
            pieces.append("[^\\n]")
        elif not character.isspace():
            in_class = character == "["
            pieces.append(character)
    return "".join(pieces)
