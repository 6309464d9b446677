"""What the search page loads: its scripts, its runtime, and what was exported of the models.

A model takes part if its bundle has `search/search.json`. Everything that a browser loads has
the hash of its content in its name, except the page itself, its style and its service worker.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from clipheads.bundle.disk.containment import inside
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.errors import BundleError
from clipheads.bundle.progress import Progress
from clipheads.bundle.search import Fidelity, SearchRecord
from headatlas import urls
from headatlas.atlas_reader import REBUILD, Atlas, read_record
from headatlas.pages.view import ModelView
from headatlas.pictures.heat_maps import COOL, OPAQUE, WARM
from headatlas.runtime.onnxruntime_web import CDN, INTEGRITY, VERSION, Runtime, fetch_runtime
from headatlas.runtime.tokenizer_merges import merge_table
from headatlas.template_files import templates_folder
from headatlas.urls import Link

RECORD = "search.json"
SCRIPT, WASM = INTEGRITY

NOTES = {
    "any": "Any text: the model\N{RIGHT SINGLE QUOTATION MARK}s text encoder runs in your browser.",
    "known": "This model has no text encoder in the browser: choose one of its known texts, which "
    "are suggested as you type.",
}
"""What the form says of the texts that a model takes."""

_MODULE = re.compile(r'"\./([\w-]+\.js)"')


@dataclass(frozen=True, eq=False)
class Exported:
    """A model that takes part."""

    model: ModelView
    record: SearchRecord

    @property
    def parts(self) -> list[tuple[str, int, Fidelity]]:
        """What runs in the browser: its name, its bytes, and how close it comes to torch."""
        found = []
        for name, key in (("text encoder", "text_encoder"), ("image encoder", "image_encoder")):
            fidelity = getattr(self.record, key)
            if fidelity is not None:
                found.append((name, self.record.files[key].bytes, fidelity))
        return found


@dataclass(frozen=True, eq=False)
class SearchExport:
    """What browsers load for the search page."""

    models: tuple[Exported, ...]
    files: dict[Link, bytes | Path]
    """Their content, or the file that holds it."""
    site: dict[str, Any]
    """What the page's script has to know."""
    first: Link
    """The script that runs before anything is shown."""
    entry: Link
    elsewhere: str
    """Where onnxruntime-web comes from, such as https://cdn.jsdelivr.net, if not from the site."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the models that can be searched."""
        return frozenset(exported.model.record.name for exported in self.models)


def search_export(
    atlas: Atlas,
    models: Iterable[ModelView],
    progress: Progress,
    fetch: Callable[[], Runtime] | None = None,
) -> SearchExport | None:
    """What the search page loads of all models that were exported for it; None if none was.

    Says on `progress` where onnxruntime-web cannot be put on the site.

    Raises BundleError if an export is damaged or incomplete.
    """
    exported = []
    for model in models:
        path = f"{model.record.name}/search/{RECORD}"
        if (atlas.folder / path).is_file():
            record = read_record(atlas.folder, path, SearchRecord)
            if _belongs(record, model, atlas):
                exported.append((model, record))
            else:
                progress.note(
                    f"search: left out {model.record.name}, whose export is of another build; "
                    "run `head-atlas build` again"
                )
    if not exported:
        return None
    runtime = (fetch or fetch_runtime)()
    if runtime.reason:
        progress.note(
            f"search: {runtime.reason}; the page loads onnxruntime-web {VERSION} from {CDN}, "
            "checked by its hash"
        )
    files: dict[Link, bytes | Path] = {}
    site: dict[str, Any] = {
        "models": [_add_model(files, record, model, atlas) for model, record in exported],
        "shared": {
            "merges": _add(files, urls.search_file("merges.bin"), _merges()),
        },
        "runtime": _add_runtime(files, runtime),
        "notes": NOTES,
        "heat": {"warm": WARM, "cool": COOL, "opaque": OPAQUE},
    }
    modules = _modules()
    for name, content in modules.values():
        files[urls.search_file(name)] = content
    names = [name for name, _ in modules.values()]
    files[urls.SERVICE_WORKER] = _service_worker(files, names, site)
    return SearchExport(
        models=tuple(Exported(model, record) for model, record in exported),
        files=files,
        site=site,
        first=urls.search_file(modules["before-paint.js"][0]),
        entry=urls.search_file(modules["page.js"][0]),
        elsewhere="" if runtime.files else "/".join(CDN.split("/")[:3]),
    )


def _belongs(record: SearchRecord, model: ModelView, atlas: Atlas) -> bool:
    """Whether an export is of the heads, properties and gallery that the pages show."""
    slugs = {prop.record.slug for prop in model.properties}
    return (
        record.gallery_sha256 == atlas.gallery.sha256
        and set(record.heads) == {head.summary.id for head in model.heads}
        and {prop.slug for prop in record.properties} <= slugs
    )


def _add(files: dict[Link, bytes | Path], link: Link, content: bytes) -> dict[str, Any]:
    """Add a file under a name with its hash; return its address from the page, and its size."""
    digest = hashlib.sha256(content).hexdigest()
    return _add_hashed(files, link, content, digest, len(content))


def _add_hashed(
    files: dict[Link, bytes | Path], link: Link, content: bytes | Path, sha256: str, size: int
) -> dict[str, Any]:
    path = PurePosixPath(link.path)
    hashed = Link(str(path.with_name(f"{path.stem}-{sha256[:16]}{path.suffix}")))
    files[hashed] = content
    return {"path": _from_page(hashed), "bytes": size}


def _from_page(link: Link) -> str:
    """The address of a file of the site, from the search page."""
    address = urls.relative(urls.SEARCH, link)
    return address if address.startswith("../") else f"./{address}"


def _add_model(
    files: dict[Link, bytes | Path],
    record: SearchRecord,
    model: ModelView,
    atlas: Atlas,
) -> dict[str, Any]:
    """Add what a browser needs of one model; returns the file that names all the others."""
    views = {head.summary.id: head for head in model.heads}
    index = {head: n for n, head in enumerate(record.heads)}
    colours = {prop.record.slug: prop.colour for prop in model.properties}
    named = {}
    for key, file in record.files.items():
        path = inside(atlas.folder, f"{model.record.name}/search/{file.name}")
        try:
            intact = path.stat().st_size == file.bytes and sha256_file(path) == file.sha256
        except OSError:
            intact = False
        if not intact:
            raise BundleError(f"{path}: missing or damaged; {REBUILD}")
        if key == "projections":
            continue  # for other programs; a browser multiplies by `basis`
        link = urls.search_file(path.name, model.record.name)
        added = _add_hashed(files, link, path, file.sha256, file.bytes)
        named[key] = {**added, "path": f"./{added['path'].rsplit('/', 1)[-1]}"}
    content = record.model_dump(mode="json", exclude={"gallery_sha256", "model"}) | {
        "name": model.record.name,
        "heads": [
            {
                "id": head,
                "layer": views[head].summary.layer,
                "head": views[head].summary.head,
                "label": views[head].summary.label,
                "mean_share": views[head].summary.mean_share,
                "property": view.record.slug if (view := views[head].property) else None,
            }
            for head in record.heads
        ],
        "properties": [
            {
                "name": prop.name,
                "slug": prop.slug,
                "file": prop.file,
                "colour": colours[prop.slug],
                "heads": [index[head] for head in prop.heads],
            }
            for prop in record.properties
        ],
        "images": [{"id": image.id, "title": image.title} for image in atlas.gallery.images],
        "files": named,
    }
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    packed = gzip.compress(data, 9, mtime=0)
    added = _add(files, urls.search_file("model.bin", model.record.name), packed)
    return {"name": model.record.name, **added}


def _add_runtime(files: dict[Link, bytes | Path], runtime: Runtime) -> dict[str, Any]:
    """Add what runs the models: a script that any server sends as one, and its WebAssembly packed.

    Servers know few types: many send `.mjs` as one that browsers do not run, and `.wasm` without
    compression. The script's bytes stay those that were pinned; it imports no other file.
    """
    if not runtime.files:
        return {
            key: {"path": f"{CDN}{name}", "bytes": 0, "integrity": INTEGRITY[name]}
            for key, name in (("script", SCRIPT), ("wasm", WASM))
        }
    files[_runtime_file("LICENSE")] = runtime.files["LICENSE"]
    script = PurePosixPath(SCRIPT).with_suffix(".js").name
    wasm = PurePosixPath(WASM).with_suffix(".bin").name
    packed = gzip.compress(runtime.files[WASM], 6, mtime=0)
    return {
        "script": _add(files, _runtime_file(script), runtime.files[SCRIPT]),
        "wasm": _add(files, _runtime_file(wasm), packed),
    }


def _runtime_file(name: str) -> Link:
    return urls.asset(f"ort-{VERSION}/{name}")


def _modules() -> dict[str, tuple[str, bytes]]:
    """The page's modules: for each its name on the site and its text, which imports such names."""
    folder = templates_folder() / "static" / "search"
    made: dict[str, tuple[str, bytes]] = {}

    def add(name: str) -> str:
        if name not in made:
            text = (folder / name).read_text("utf-8")
            text = _MODULE.sub(lambda match: f'"./{add(match[1])}"', text)
            data = text.encode()
            digest = hashlib.sha256(data).hexdigest()[:16]
            made[name] = (f"{name.removesuffix('.js')}-{digest}.js", data)
        return made[name][0]

    add("before-paint.js")
    add("page.js")
    return made


def _service_worker(
    files: dict[Link, bytes | Path], modules: list[str], site: dict[str, Any]
) -> bytes:
    shell = ["./", *(f"./{name}" for name in modules)]
    assets = ("atlas.css", "properties.css", "search.css", "favicon.svg", "copy.js")
    shell += [_from_page(urls.asset(name)) for name in assets]
    script = site["runtime"]["script"]
    if "integrity" not in script:
        shell.append(script["path"])
    keep = [_from_page(link) for link in files]
    text = (templates_folder() / "static" / "search" / "sw.js").read_text("utf-8")
    head = f"const SHELL = {json.dumps(shell)};\nconst KEEP = {json.dumps(keep)};\n"
    return (head + text).encode()


@lru_cache(maxsize=1)
def _merges() -> bytes:
    return merge_table()
