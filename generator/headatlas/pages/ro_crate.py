"""`ro-crate-metadata.json`: the site as a research object, which archives and registries read.

By RO-Crate 1.1, https://w3id.org/ro/crate/1.1: the folder of the site is the crate.
"""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from headatlas import urls
from headatlas.citation_formats import ATLAS, Entry
from headatlas.citations import METHOD, YEAR
from headatlas.pages.page import DataFile
from headatlas.urls import Urls

_PROFILE = "https://w3id.org/ro/crate/1.1"
_PROGRAM = "#clip-head-atlas"
_AUTHOR = "#authors"


def ro_crate(files: Sequence[DataFile], where: Urls) -> bytes:
    """The description of the folder: its pages, and the files with the data of its models."""
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": ATLAS,
        "description": "What the attention heads of CLIP's vision transformers respond to: a page "
        "for each head, and its data.",
        "datePublished": str(YEAR),
        "author": {"@id": _AUTHOR},
        "citation": {"@id": METHOD.url},
        "license": {"@id": where.licence} if where.licence else "No licence is named.",
        "hasPart": [{"@id": file.link.path} for file in files] + [{"@id": urls.HOME.path}],
        **({"url": where.base_url} if where.base_url else {}),
        **({"identifier": f"https://doi.org/{where.doi}"} if where.doi else {}),
    }
    graph = [
        {
            "@id": urls.RO_CRATE.path,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": _PROFILE},
        },
        root,
        {"@id": _AUTHOR, "@type": "Organization", "name": ATLAS},
        {
            "@id": _PROGRAM,
            "@type": "SoftwareApplication",
            "name": "clip-head-atlas",
            "version": version("clip-head-atlas"),
        },
        {
            "@id": "#generation",
            "@type": "CreateAction",
            "name": "Generated the site",
            "instrument": {"@id": _PROGRAM},
            "result": {"@id": "./"},
        },
        _paper(METHOD),
        *([{"@id": where.licence, "@type": "CreativeWork"}] if where.licence else []),
        {
            "@id": urls.HOME.path,
            "@type": "File",
            "name": "The first page",
            "encodingFormat": "text/html",
        },
        *(_file(file, where) for file in files),
    ]
    crate = {"@context": f"{_PROFILE}/context", "@graph": graph}
    return (json.dumps(crate, ensure_ascii=False, indent=1) + "\n").encode()


def _file(file: DataFile, where: Urls) -> dict[str, Any]:
    return {
        "@id": file.link.path,
        "@type": "File",
        "name": file.link.path,
        "description": file.about,
        "encodingFormat": file.media_type,
        "contentSize": str(file.size(where)),
        "sha256": file.sha256(where),
    }


def _paper(paper: Entry) -> dict[str, Any]:
    people = [name.split(", ") for name in paper.authors]
    return {
        "@id": paper.url,
        "@type": "ScholarlyArticle",
        "name": paper.title,
        "author": ", ".join(f"{given} {family}" for family, given in people),
        "datePublished": str(paper.year),
    }
