"""`croissant.json`: the tables of the atlas, as programs for machine learning load them.

By the format of MLCommons, http://mlcommons.org/croissant/1.0, on the vocabulary of schema.org.
"""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from headatlas import urls
from headatlas.citation_formats import ATLAS, bibtex
from headatlas.citations import METHOD, YEAR
from headatlas.pages.model_files import (
    DESCRIPTIONS_COLUMNS,
    HEADS_COLUMNS,
    PARQUET,
)
from headatlas.pages.page import DataFile
from headatlas.pages.view import ModelView
from headatlas.tables import Column
from headatlas.urls import Urls

_TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float", bool: "sc:Boolean"}
_TABLES = {"heads": HEADS_COLUMNS, "descriptions": DESCRIPTIONS_COLUMNS}

_PARQUET = "application/x-parquet"
"""What Croissant calls the media type."""

_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty"),
    *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
    *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""The standard context, as the format asks for it."""


def croissant(models: Sequence[tuple[ModelView, Sequence[DataFile]]], where: Urls) -> bytes:
    """The description of the tables of all models; a site without an address has relative ones."""
    tables = [
        (model.record.name, file)
        for model, files in models
        for file in files
        if file.media_type == PARQUET
    ]
    names = ", ".join(model.record.name for model, _ in models)
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": ATLAS,
        "description": f"What the attention heads of {names} respond to: their labels, their "
        "numbers, and the texts that describe them.",
        "url": where.permanent(urls.DATA).lstrip("/"),
        "version": version("clip-head-atlas"),
        "datePublished": str(YEAR),
        "creator": {"@type": "sc:Organization", "name": ATLAS},
        "citeAs": bibtex(METHOD),
        "isLiveDataset": False,
        **({"license": where.licence} if where.licence else {}),
        **({"identifier": f"https://doi.org/{where.doi}"} if where.doi else {}),
        "distribution": [_file(model, file, where) for model, file in tables],
        "recordSet": [_record_set(model, file) for model, file in tables],
    }
    return (json.dumps(described, ensure_ascii=False, indent=1) + "\n").encode()


def _file(model: str, file: DataFile, where: Urls) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"{model}/{file.name}",
        "name": f"{model}/{file.name}",
        "description": f"{file.name} of {model}",
        "contentUrl": where.permanent(file.link) if where.base_url else file.link.path,
        "contentSize": f"{file.size(where)} B",
        "encodingFormat": _PARQUET,
        "sha256": file.sha256(where),
    }


def _record_set(model: str, file: DataFile) -> dict[str, Any]:
    table = file.name.partition(".")[0]
    identity = f"{model}/{table}"
    return {
        "@type": "cr:RecordSet",
        "@id": identity,
        "name": identity,
        "description": f"The {table} of {model}, one in each record.",
        "field": [_field(identity, f"{model}/{file.name}", column) for column in _TABLES[table]],
    }


def _field(record_set: str, file: str, column: Column) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": f"{record_set}/{column.name}",
        "description": column.description or column.name.replace("_", " "),
        "dataType": _TYPES[column.kind],
        "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
    }
