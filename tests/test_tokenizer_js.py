"""The tokenizer in the browser gives the ids of open_clip's, whatever the text."""

import gzip
import json
import random
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from clipheads.data_files import data_file
from clipheads.descriptions import read_descriptions
from clipheads.open_clip_import import import_open_clip
from headatlas.render import templates_folder
from headatlas.tokenizer_tables import cleaning_tables, merge_table

DRIVER = Path(__file__).with_name("tokenize_with_node.mjs")
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

# All but surrogates, which no text holds; what is not assigned yet is tokenized too.
CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
ASSIGNED = [c for c in CHARACTERS if unicodedata.category(c) not in ("Cn", "Co")]
SINGLE_BYTE = (
    "latin-1 windows-1252 windows-1251 windows-1250 windows-1253 windows-1254 windows-1257"
    " iso-8859-2 macroman cp437"
).split()
CURIOUS = [
    "",
    " ",
    "a photo of a cat",
    "<start_of_text> a <END_OF_TEXT> b <\u017ftart_of_text>",
    "it's I'LL they'RE o'clock '\u017f 's'S'm",
    "caf\u00e9 cafe\u0301 \u1e9b\u0323 \ufb01ne \ufb05 \u0149",
    "\uff21\uff22\uff23 \u3000 \uff76\uff9e",
    "\u201ccurly\u201d \u2018quotes\u2019 \u02bc\u201b\u201f",
    "voil\u00c3\u00a0 le travail, \u00e2\u20ac\u0153quoted\u00e2\u20ac\ufffd \u00c3 la mode",
    "\u00e2\u0153\u201d \u00f0\u0178\u02dc\u20ac \u00ed\u00a0\u00bd\u00ed\u00b8\u20ac \u00c0\u20ac",
    "&amp;amp;lt; &amp;eacute; &EACUTE; &NTILDE; &#128; &#x80 &#0; &#xD800; &#1114112; &#11;",
    "&notit; &notin; &am &ampx &CounterClockwiseContourIntegral; &acE; &#99999999999999999999;",
    "<b>&eacute;</b>\n&eacute;\n\n<\n&amp;",
    "line\r\nbreak\rand\u2028more\u2029x\x85y\x0bz\x0cq\x1cw\x1de\x1ef\x1fg",
    "\x1b[36;44mblue\x1b[0m \x1b[\u0663m \ufeffbom\ufffc \u206a",
    "\u03a3\u03a3 \u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3.",
    "\u0130stanbul \u1e9e \u212a \u0345",
    "1\u00b2 \u2167 \u0663 \u00bd \u4e00",
    "\U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ud83d half a pair \ude00",
    "x" * 300,
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05c1\u05dc\u05d5\u05dd",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e20\u0e32\u0e29\u0e32",
    "\u2460\u24b6\u24d0 \u0301 a\u0301\u0323\u0308 \u1100\u1161\u11a8 \u2126 \u212b",
]


def _mixed(rng):
    """Texts from everything that Unicode has, in runs of one block, which look like words."""
    pieces = []
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(ASSIGNED))
        around = ASSIGNED[start : start + 40]
        pieces.append("".join(rng.choice(around) for _ in range(rng.randint(1, 8))))
    return rng.choice(["", " ", "\n", "'"]).join(pieces)


def _latin(rng):
    alphabet = [chr(code) for code in [*range(0x17F), 0x2018, 0x2019, 0x201C, 0x20AC, 0x2122]]
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 30)))


def _entities(rng):
    names = ["amp", "lt", "eacute", "EACUTE", "notin", "not", "#8217", "#x201c", "#150", "hellip"]
    pieces = [f"&{rng.choice(names)}{rng.choice([';', '', ' '])}" for _ in range(4)]
    return rng.choice(["", "a", "<", "&"]).join(pieces)


def _mojibake(rng, texts):
    """A text whose UTF-8 was read in another encoding, whole or in parts, up to twice."""
    text = rng.choice(texts)
    for _ in range(rng.randint(1, 2)):
        encoding = rng.choice(SINGLE_BYTE)
        text = text.encode("utf-8", "replace").decode(encoding, rng.choice(["replace", "ignore"]))
        if rng.random() < 0.3:
            text = text.replace("\xa0", " ")
        if rng.random() < 0.3:
            text = rng.choice(["caf\u00e9 ", "\u4e2d\u6587 ", "na\u00efve \u2014 "]) + text
    return text


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    (folder / "merges.bin").write_bytes(merge_table())
    (folder / "cleaning.bin").write_bytes(cleaning_tables())
    return folder


@pytest.fixture(scope="module")
def in_browser(tables):
    """Tokenizes by the modules of the site: for each text the cleaned text and the ids."""

    def run(texts, context=77):
        strings = tables / "strings.json"
        strings.write_text(json.dumps(texts), encoding="ascii")
        modules = templates_folder() / "static" / "search"
        done = subprocess.run(
            ["node", DRIVER, modules, tables, strings, str(context)],
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


def test_curious_texts(in_browser):
    # Halves of surrogate pairs cannot be encoded; open_clip replaces them, as the browser does.
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


def test_every_character_of_unicode(in_browser):
    texts = ["".join(CHARACTERS[n : n + 7]) for n in range(0, len(CHARACTERS), 7)]
    _compare(texts, in_browser(texts))


@pytest.mark.parametrize("make", [_mixed, _latin, _entities])
def test_thousands_of_made_up_texts(in_browser, make):
    rng = random.Random(5)
    texts = [make(rng) for _ in range(5000)]
    _compare(texts, in_browser(texts))


def test_text_read_in_a_wrong_encoding_is_mended_as_ftfy_mends_it(in_browser):
    rng = random.Random(7)
    sources = [
        "na\u00efve caf\u00e9 \u2014 \u201cquoted\u201d\u2026",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
        "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5",
        "\u3053\u3093\u306b\u3061\u306f \u4e16\u754c",
        "\U0001f600\U0001f469\u200d\U0001f467 \u2714 \u20ac5 \u00a9 \u2122",
        "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
        "za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144 \u0101\u0113\u012b",
        *CURIOUS[5:8],
    ]
    texts = [_mojibake(rng, sources) for _ in range(4000)]
    results = in_browser(texts)
    _compare(texts, results)
    # The corpus is worth something only if ftfy really changes many of these texts.
    plain = [" ".join(text.lower().split()) for text in texts]
    assert sum(text != row[0] for text, row in zip(plain, results, strict=True)) > 1000


def test_the_same_tables_every_time(tables):
    assert merge_table() == (tables / "merges.bin").read_bytes()
    assert cleaning_tables() == (tables / "cleaning.bin").read_bytes()
    assert len(gzip.decompress(merge_table())) == 2 * 2 * 48894
