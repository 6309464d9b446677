"""Pages as Markdown, for people and programs that read text: of heads and models, and `llms.txt`.

A twin has the numbers and texts of its page; heat maps and other grids are in `head.json`.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from headatlas import urls
from headatlas.citation_formats import ATLAS, escape_markdown, markdown
from headatlas.formats import decimal, percent, plural, points, significant
from headatlas.pages.model_files import HEADS_COLUMNS
from headatlas.pages.page import DataFile
from headatlas.tables import Column, Value
from headatlas.urls import Link, Urls

if TYPE_CHECKING:
    from headatlas.citations import Reference
    from headatlas.pages.head import HeadContent
    from headatlas.pages.site_view import SiteView
    from headatlas.pages.view import ModelView

MEDIA_TYPE = "text/markdown"


def head_twin(content: "HeadContent", reference: "Reference") -> DataFile:
    """The page of a head as Markdown."""
    link = urls.markdown(content.head.page)
    return DataFile(link, MEDIA_TYPE, "the page as text", partial(_head, content, reference, link))


def model_twin(model: "ModelView", reference: "Reference") -> DataFile:
    """The page of a model as Markdown: its scores and all its heads."""
    link = urls.markdown(model.page)
    return DataFile(link, MEDIA_TYPE, "the page as text", partial(_model, model, reference, link))


def llms_txt(site: "SiteView", _where: Urls) -> bytes:
    """`llms.txt` by https://llmstxt.org: where programs that read text begin."""
    models = [
        f"- {_link(model.record.name, urls.LLMS, urls.markdown(model.page))}: "
        f"{plural(len(model.heads), 'head')}, each with a page of its own"
        for model in site.models
    ]
    about = [
        f"- {_link('Methods', urls.LLMS, urls.METHODS)}: how each number is defined",
        f"- {_link('Data', urls.LLMS, urls.DATA)}: tables and archives to download",
        f"- {_link('Croissant', urls.LLMS, urls.CROISSANT)}: the tables, described for programs",
    ]
    return _text(
        f"# {ATLAS}",
        "> What the attention heads of CLIP's vision transformers respond to. CLIP's image "
        "embedding is exactly a sum of contributions: one of each head, of each MLP, and of the "
        "input.",
        "`index.md` and `head.json` beside the page of a head hold what it shows.",
        "## Models",
        "\n".join(models),
        "## About",
        "\n".join(about),
    )


def _head(content: "HeadContent", reference: "Reference", here: Link, where: Urls) -> bytes:
    record, model = content.record, content.model
    images = _images(model)
    label = record.label.text
    numbers = [
        (f"`{column.name}`", _value(column.value(record)), _meaning(column))
        for column in HEADS_COLUMNS
        if column.path and column.value(record) is not None
    ]
    descriptions = [
        (
            str(rank),
            escape_markdown(view.record.text),
            escape_markdown(view.record.property or ""),
            percent(view.record.share),
            ", ".join(images[near.picture.image.id] for near in view.near),
        )
        for rank, view in enumerate(content.descriptions, start=1)
    ]
    strongest = [
        (images[picture.image.id], percent(share.share), points(share.excess))
        for picture, share in content.strongest
    ]
    neighbours = [
        (
            images[picture.image.id],
            ", ".join(f"{images[one.picture.image.id]} {decimal(one.score)}" for one in near),
        )
        for picture, near in content.neighbours
    ]
    return _text(
        f"# {record.id} of {escape_markdown(model.record.name)}: "
        f"{escape_markdown(label or 'no label')}",
        escape_markdown(record.label.reason),
        f"Model: {_link(model.record.name, here, urls.markdown(model.page))}. "
        f"Page with pictures: {_link('HTML', here, content.head.page)}. Data, with the heat "
        f"maps: {_link('JSON', here, urls.head_data(model.record.name, record.id))}.",
        "## Descriptions",
        _table(("", "Text", "Property", "Share of variance", "Nearest images"), descriptions),
        "## Top images",
        _table(("Image", "Share", "Excess over the mean share"), strongest),
        "## Nearest neighbours in this head",
        _table(("Image", "Neighbours, each with its cosine"), neighbours),
        "## Numbers",
        _table(("Name", "Value", "Meaning"), numbers),
        "## Cite this page",
        markdown(reference.at(content.head.page, where).entry),
    )


def _model(model: "ModelView", reference: "Reference", here: Link, where: Urls) -> bytes:
    record = model.record
    scores = [
        (name, decimal(score.value, 3), f"{decimal(score.low, 3)} to {decimal(score.high, 3)}")
        for name, score in (
            ("Entanglement", record.scores.entanglement),
            ("Association", record.scores.association),
        )
    ]
    heads = [
        (
            _link(head.summary.id, here, urls.markdown(head.page)),
            escape_markdown(head.summary.label or ""),
            percent(head.summary.variance_share, 2),
            escape_markdown(head.summary.first_description),
        )
        for head in model.heads
    ]
    return _text(
        f"# {escape_markdown(record.name)}",
        f"{plural(len(heads), 'head')}, {model.labelled} of them labelled. "
        f"{escape_markdown(record.labeller.method)}",
        f"Page with pictures: {_link('HTML', here, model.page)}. "
        f"Data: {_link('tables and archive', here, urls.DATA)}.",
        "## Scores",
        _table(("Score", "Value", "95% interval"), scores),
        "## Heads",
        _table(("Head", "Label", "Share of variance", "First description"), heads),
        "## Cite this page",
        markdown(reference.at(model.page, where).entry),
    )


def _text(*blocks: str) -> bytes:
    return ("\n\n".join(blocks) + "\n").encode()


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _link(text: str, here: Link, target: Link) -> str:
    return f"[{escape_markdown(text)}]({urls.relative(here, target)})"


@lru_cache(maxsize=8)
def _images(model: "ModelView") -> dict[str, str]:
    """A link to each image, by its id, as the twins of all heads of the model write it."""
    here = urls.markdown(model.heads[0].page)
    return {
        name: _link(picture.image.title, here, picture.page)
        for name, picture in model.pictures.items()
    }


def _meaning(column: Column) -> str:
    # It may name another column in Markdown's own way, and so is not escaped.
    return column.description.replace("<", "\\<").replace("|", "\\|")


def _value(value: Value) -> str:
    if isinstance(value, float):
        return significant(value)
    return escape_markdown(str(value).lower() if isinstance(value, bool) else str(value))
