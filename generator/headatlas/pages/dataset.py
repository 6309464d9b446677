"""The data of the atlas in the words of schema.org, which search engines for data read."""

import json
from collections.abc import Sequence
from importlib.metadata import version

from markupsafe import Markup

from headatlas import urls
from headatlas.citation_formats import ATLAS, plain
from headatlas.citations import METHOD, YEAR
from headatlas.pages.page import DataFile
from headatlas.urls import Urls


def dataset(description: str, files: Sequence[DataFile], where: Urls) -> Markup:
    """The content of a `<script type="application/ld+json">`, which can end no such element."""
    known = where.base_url is not None
    described = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": ATLAS,
        "description": description,
        "version": version("clip-head-atlas"),
        "datePublished": str(YEAR),
        "isAccessibleForFree": True,
        "creator": {"@type": "Organization", "name": ATLAS},
        "citation": plain(METHOD),
        "keywords": ["CLIP", "interpretability", "attention heads", "vision transformer"],
        **({"url": where.permanent(urls.DATA)} if known else {}),
        **({"license": where.licence} if where.licence else {}),
        **({"identifier": f"https://doi.org/{where.doi}"} if where.doi else {}),
        "distribution": [
            {
                "@type": "DataDownload",
                "name": file.link.path,
                "encodingFormat": file.media_type,
                "contentUrl": where.permanent(file.link)
                if known
                else urls.relative(urls.DATA, file.link),
            }
            for file in files
        ],
    }
    # Within a script only `<` could end it; JSON has another way to write it.
    return Markup(json.dumps(described, ensure_ascii=False).replace("<", "\\u003c"))
