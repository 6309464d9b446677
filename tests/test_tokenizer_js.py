"""The tokenizer in the browser gives the ids of open_clip's for texts as people type them."""

import gzip
import json
import random
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import ftfy
import pytest

from clipheads.bundle.disk.data_files import data_file
from clipheads.model.open_clip_import import import_open_clip
from clipheads.texts.pools import read_descriptions
from headatlas.runtime.tokenizer_merges import merge_table
from headatlas.template_files import templates_folder

DRIVER = Path(__file__).with_name("tokenize_with_node.mjs")
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1)]
ASSIGNED = [c for c in CHARACTERS if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
CURIOUS = [
    "",
    " ",
    "a photo of a cat",
    "<start_of_text> a <END_OF_TEXT> b",
    "it's I'LL they'RE o'clock 's'S'm",
    "caf\u00e9 cafe\u0301 \u1e9b\u0323 \ufb01ne \u0149",
    "\uff21\uff22\uff23 \u3000 \uff76\uff9e",
    "\u201ccurly\u201d \u2018quotes\u2019 \u02bc\u201b\u201f",
    "line\r\nbreak\rand\u2028more\u2029x\x0cy",
    "\u03a3\u03a3 \u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3.",
    "\u0130stanbul \u1e9e \u212a",
    "1\u00b2 \u2167 \u0663 \u00bd \u4e00",
    "\U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "x" * 300,
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05c1\u05dc\u05d5\u05dd",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e20\u0e32\u0e29\u0e32",
    "\u2460\u24b6\u24d0 \u0301 a\u0301\u0323\u0308 \u1100\u1161\u11a8 \u2126 \u212b",
]


def _differs(character):
    """The characters that open_clip removes or replaces and the browser does not."""
    removed = unicodedata.category(character) == "Cc" and character not in "\t\n\f\r"
    marks = "\u206a" <= character <= "\u206f" or "\ufff9" <= character <= "\ufffc"
    return removed or marks or character in "\u0345\ufb05"


def _is_one_of_thousands(character):
    """Characters that have no case and nothing to compose, which are read many to a text."""
    name = unicodedata.name(character, "")
    return name.startswith(("CJK UNIFIED IDEOGRAPH-", "HANGUL SYLLABLE "))


def _typed(rng):
    """Texts from everything that Unicode has, in runs of one block, which look like words."""
    pieces = []
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(ASSIGNED))
        around = [c for c in ASSIGNED[start : start + 40] if not _differs(c)] or ["a"]
        pieces.append("".join(rng.choice(around) for _ in range(rng.randint(1, 8))))
    return rng.choice(["", " ", "\n", "'"]).join(pieces)


def _european(rng):
    codes = [*range(0x20, 0x7F), *range(0xA0, 0x250), *range(0x370, 0x460), 0x2019, 0x201C, 0x20AC]
    return "".join(chr(rng.choice(codes)) for _ in range(rng.randint(1, 30)))


HARMLESS = {"fix_latin_ligatures", "fix_character_width", "uncurl_quotes", "fix_line_breaks"}


def _damaged(text):
    """Whether ftfy takes a text for one in a wrong encoding, or it may have HTML entities."""
    steps = ftfy.fix_and_explain(text).explanation or []
    return "&" in text or any(step.parameter not in HARMLESS for step in steps)


@pytest.fixture(scope="module")
def merges(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "merges.bin"
    path.write_bytes(merge_table())
    return path


@pytest.fixture(scope="module")
def in_browser(merges):
    """Tokenizes by the module of the site: for each text the cleaned text and the ids."""

    def run(texts, context=77):
        strings = merges.with_name("strings.json")
        strings.write_text(json.dumps(texts), encoding="ascii")
        modules = templates_folder() / "static" / "search"
        done = subprocess.run(
            ["node", DRIVER, modules, merges, strings, str(context)],
            capture_output=True,
            check=True,
        )
        return json.loads(done.stdout)

    return run


def _compare(texts, results, context=77):
    """Fail with the first few texts whose ids differ."""
    import_open_clip()
    from open_clip.tokenizer import SimpleTokenizer, _clean_lower

    tokenizer = SimpleTokenizer(context_length=context)
    expected = tokenizer(texts).tolist()
    assert len(results) == len(texts) > 0
    different = [
        (ascii(text), ascii(_clean_lower(text)), ascii(cleaned))
        for text, (cleaned, ids), right in zip(texts, results, expected, strict=True)
        if ids != right
    ]
    assert different[:5] == [], f"{len(different)} of {len(texts)}"


def _open_clip(texts, context=77):
    import_open_clip()
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=context)(texts).tolist()


def test_curious_texts(in_browser):
    _compare(CURIOUS, in_browser(CURIOUS))


def test_every_description_of_the_pool(in_browser):
    files = [data_file("descriptions", "general.csv"), data_file("demo", "descriptions.csv")]
    texts = [row.text for file in files for row in read_descriptions(file)]
    _compare(texts, in_browser(texts))


@pytest.mark.parametrize("context", [8, 24, 77])
def test_a_text_beyond_the_context_ends_with_the_end_token(in_browser, context):
    words = "photograph zebra \u00fcber \U0001f600 \u65e5\u672c\u8a9e " * 20
    texts = [words[: 5 * n] for n in range(1, 60)]
    results = in_browser(texts, context)
    _compare(texts, results, context)
    assert results[-1][1][-1] == 49407


def test_every_character_of_unicode_but_control_characters_and_two_letters(in_browser):
    alone = [c for c in ASSIGNED if not _is_one_of_thousands(c)]
    results = in_browser(alone, 24)
    expected = _open_clip(alone, 24)
    differ = [
        character
        for character, (_, ids), right in zip(alone, results, expected, strict=True)
        if ids != right
    ]
    assert [ascii(character) for character in differ if not _differs(character)] == []
    assert 0 < len(differ) < 80


def test_every_ideograph_and_every_syllable_of_hangul(in_browser):
    many = [c for c in ASSIGNED if _is_one_of_thousands(c)]
    texts = [" ".join(many[start : start + 32]) for start in range(0, len(many), 32)]
    assert len(many) > 90_000
    assert [ids for _, ids in in_browser(texts, 160)] == _open_clip(texts, 160)


@pytest.mark.parametrize("make", [_typed, _european])
def test_thousands_of_made_up_texts_that_are_not_damaged(in_browser, make):
    rng = random.Random(5)
    texts = [text for text in (make(rng) for _ in range(5000)) if not _damaged(text)]
    assert len(texts) > 3500
    _compare(texts, in_browser(texts))


def test_damaged_texts_and_html_entities_are_taken_as_they_stand(in_browser):
    # open_clip mends both; docs/search.md says that the browser does not.
    texts = ["voil\u00c3\u00a0 le travail", "caf&eacute;"]
    results = in_browser(texts)
    assert [cleaned for cleaned, _ in results] == ["voil\u00e3 le travail", "caf&eacute;"]
    assert all(ids != right for (_, ids), right in zip(results, _open_clip(texts), strict=True))


def test_the_same_merges_every_time(merges):
    assert merge_table() == merges.read_bytes()
    assert len(gzip.decompress(merge_table())) == 2 * 2 * 48894
