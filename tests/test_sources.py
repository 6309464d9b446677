"""A work that a credit names is a link to it, and nothing else of the credit changes."""

import html
import re

from headatlas.citations import PAPER
from headatlas.sources import linked


def test_a_named_work_is_linked_and_the_text_stays():
    text = f"Labels of <'{PAPER.title}'> with pictures of Fluent Emoji 3D"
    made = linked(text)
    assert re.findall(r'href="([^"]+)"', made) == [
        PAPER.url,
        "https://github.com/microsoft/fluentui-emoji",
    ]
    assert html.unescape(re.sub(r"<[^>]*>", "", made)) == text


def test_text_that_names_no_work_is_only_escaped():
    assert linked("open_clips & <b>") == "open_clips &amp; &lt;b&gt;"
