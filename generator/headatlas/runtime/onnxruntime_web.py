"""onnxruntime-web for the site: its files from npm, pinned, checked and kept for the next time."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

VERSION = "1.30.0"
INTEGRITY = {
    "ort.wasm.bundle.min.mjs": (
        "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM"
    ),
}
"""The two files that a page needs to run models without WebGPU, with their hashes."""

CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist/"
LICENCE = """MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
"""npm's package names the licence without its text."""

_SECONDS = 180


@dataclass(frozen=True)
class Runtime:
    """Where pages get onnxruntime-web from."""

    files: dict[str, bytes]
    """What to write below `assets/ort-<version>/`; empty if it could not be had here."""
    reason: str = ""
    """Why it could not be had; pages then load it from `CDN`, checked by its integrity."""


def fetch_runtime(cache: Path | None = None) -> Runtime:
    """The files of onnxruntime-web, from the user's cache or else from npm.

    Nothing is taken whose hash differs from the pinned one.

    Args:
        cache: the folder to keep them in; without it, the user's own cache.
    """
    folder = (
        cache or user_cache_path("clip-head-atlas", appauthor=False)
    ) / f"onnxruntime-web-{VERSION}"
    files = {name: _read(folder / name) for name in INTEGRITY}
    if not all(integrity(content) == INTEGRITY[name] for name, content in files.items()):
        npm = shutil.which("npm")
        if npm is None:
            return Runtime({}, "npm is not installed")
        try:
            files = _from_npm(npm)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, KeyError) as error:
            return Runtime({}, f"npm could not fetch it ({type(error).__name__})")
        wrong = [name for name, data in files.items() if integrity(data) != INTEGRITY[name]]
        if wrong:
            return Runtime({}, f"{wrong[0]} from npm is not what it was when it was pinned")
        _keep(folder, files)
    return Runtime({**files, "LICENSE": LICENCE.encode()})


def integrity(content: bytes) -> str:
    """The hash of a file as pages write it: "sha384-" and base64."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _from_npm(npm: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [npm, "pack", f"onnxruntime-web@{VERSION}", "--silent", "--ignore-scripts"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=_SECONDS,
        )
        files = {}
        with tarfile.open(next(Path(folder).glob("*.tgz"), Path(folder) / "none")) as archive:
            for name in INTEGRITY:
                member = archive.extractfile(f"package/dist/{name}")
                files[name] = b"" if member is None else member.read()
        return files


def _keep(folder: Path, files: dict[str, bytes]) -> None:
    """Keep the files; a cache that cannot be written only costs the time of the next site."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
                part.write(content)
            Path(part.name).replace(folder / name)
    except OSError:
        return
