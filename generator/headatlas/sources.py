"""Links to the works that credits and records name."""

import re

from markupsafe import Markup, escape

from headatlas.citations import METHOD, PAPER

_WORKS = {
    METHOD.title: METHOD.url,
    PAPER.title: PAPER.url,
    "multimodal_cognitive_ai": "https://github.com/IntelLabs/multimodal_cognitive_ai",
    "Fluent Emoji": "https://github.com/microsoft/fluentui-emoji",
    "open_clip": "https://github.com/mlfoundations/open_clip",
}
_NAMED = re.compile(r"\b(" + "|".join(map(re.escape, _WORKS)) + r")\b")


def linked(text: str) -> Markup:
    """The text with a link behind each work that it names.

    >>> linked("Composed from Fluent Emoji 3D")
    Markup('Composed from <a href="https://github.com/microsoft/fluentui-emoji" \
rel="external">Fluent Emoji</a> 3D')
    """
    parts = _NAMED.split(text)
    link = Markup('<a href="{}" rel="external">{}</a>')
    return Markup("").join(
        link.format(_WORKS[part], part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )
