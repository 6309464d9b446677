"""JSON Schemas of the bundle's records and of `head.json`, published with the site."""

import json

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.ground_truth import GroundTruthRecord
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.images import ImagesRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.record import Record
from clipheads.bundle.search import SearchRecord
from headatlas.head_json import HeadFile, PublishedHeadFile
from headatlas.links import Link, address

RECORDS: dict[str, type[Record]] = {
    "model": ModelRecord,
    "head": HeadFile,
    "head-record": HeadRecord,
    "published-head": PublishedHeadFile,
    "images": ImagesRecord,
    "gallery": GalleryManifest,
    "search": SearchRecord,
    "ground-truth": GroundTruthRecord,
}
"""Both kinds of head.json of a site, and the files of a bundle: model.json, heads/L11.H7.json,
images.json, gallery/manifest.json, search/search.json, ground-truth.json."""


def schema_link(name: str) -> Link:
    """Where the schema of a record lies."""
    return Link(f"schema/{name}.json")


def schema_files(base_url: str | None) -> dict[str, bytes]:
    """The schemas by path from the site's root."""
    files = {}
    for name, record in RECORDS.items():
        path = schema_link(name).path
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": address(base_url, path),
            **record.model_json_schema(),
        }
        files[path] = (json.dumps(schema, ensure_ascii=False, indent=1) + "\n").encode()
    return files
