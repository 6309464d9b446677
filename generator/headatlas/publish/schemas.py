"""JSON Schemas of the bundle's records and of `head.json`, published with the site."""

import json

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.ground_truth import GroundTruthRecord
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.images import ImagesRecord
from clipheads.bundle.literature import LiteratureRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.record import Record
from clipheads.bundle.search import SearchRecord
from headatlas import urls
from headatlas.head_json import HeadFile, PublishedHeadFile
from headatlas.urls import Link, Urls

RECORDS: dict[str, type[Record]] = {
    "model": ModelRecord,
    "head": HeadFile,
    "head-record": HeadRecord,
    "published-head": PublishedHeadFile,
    "images": ImagesRecord,
    "gallery": GalleryManifest,
    "search": SearchRecord,
    "ground-truth": GroundTruthRecord,
    "literature": LiteratureRecord,
}
"""Both kinds of head.json of a site, and the files of a bundle: model.json, heads/L11.H7.json,
images.json, gallery/manifest.json, search/search.json, ground-truth.json; and the
list of heads that publications name."""


def schema_files(addresses: Urls) -> dict[Link, bytes]:
    """The schemas as JSON."""
    return {urls.schema(name): _schema(name, record, addresses) for name, record in RECORDS.items()}


def _schema(name: str, record: type[Record], addresses: Urls) -> bytes:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": addresses.permanent(urls.schema(name)),
        **record.model_json_schema(),
    }
    return (json.dumps(schema, ensure_ascii=False, indent=1) + "\n").encode()
