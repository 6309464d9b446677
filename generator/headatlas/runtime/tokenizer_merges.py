"""What the tokenizer in the browser needs: CLIP's merges, from the vocabulary of open_clip."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from clipheads.bundle.errors import AtlasError

MERGES = 49152 - 256 - 2
"""How many merges of the file CLIP uses."""

_FILE = "bpe_simple_vocab_16e6.txt.gz"


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


def _byte_characters() -> list[int]:
    """The character that stands for each byte in the vocabulary, in the vocabulary's order."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printing + [256 + n for n in range(256 - len(printing))]
