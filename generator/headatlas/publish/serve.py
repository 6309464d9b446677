"""Shows a site in the browser of this machine: a static server that only this machine can reach."""

import errno
import io
import os
import re
import socket
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from clipheads.bundle.disk.containment import inside
from clipheads.bundle.errors import AtlasError, system_reason
from headatlas.urls import HOME, NOT_FOUND

LOOPBACK = "127.0.0.1"
_LOCAL_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".onnx": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".xml": "application/xml",
}
"""What browsers need to hear; the system's own table differs between machines."""


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **TYPES}  # noqa: RUF012
    timeout = 30  # seconds after which a silent connection gives its thread back

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Answer only requests to localhost, and only with the site's files."""
        host = self.headers.get("Host")
        if host is not None and not _LOCAL_HOST.fullmatch(host):
            # A page from elsewhere whose host's name was made to lead here must not read the site.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        if not self._is_published(self.translate_path(self.path)):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _is_published(self, path: str) -> bool:
        """Whether `path` and a page in it lie in the site, not hidden, and no link leads out."""
        folder = Path(self.directory)
        try:
            name = os.path.relpath(path, folder)
            if any(part.startswith(".") and part != "." for part in Path(name).parts):
                return False
            for page in ("", "index.html", "index.htm"):
                inside(folder, f"{name}/{page}")
        except (AtlasError, ValueError):  # ValueError: no file can have that name
            return False
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the terminal keeps the address in sight."""

    def list_directory(self, path: object) -> None:  # noqa: ARG002
        """A folder without a page is not a page."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Let the browser ask again each time, so that a regenerated site shows at once."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the site's own page if nothing has this address."""
        page = Path(self.directory) / NOT_FOUND.path
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            super().send_error(code, message, explain)
            return
        body = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", TYPES[".html"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server for `folder` that listens on the loopback interface; port 0 takes any free one.

    Raises AtlasError if the folder holds no site, or the port is taken or not allowed.
    """
    if not (folder / HOME.path).is_file():
        raise AtlasError(
            f"{folder}: no site here; run `head-atlas site` first, or name its folder with --dir"
        )
    if not 0 <= port <= 65535:
        raise AtlasError(f"port {port}: a port is a number from 0 to 65535")
    try:
        return _Server((LOOPBACK, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AtlasError(f"port {port} is taken; try --port {_free_port(port)}") from None
        raise AtlasError(
            f"port {port} cannot be opened ({system_reason(error)}); try --port {_free_port(8000)}"
        ) from None


class _Server(ThreadingHTTPServer):
    # Windows would let two servers share a port, and the second would never be heard.
    allow_reuse_address = hasattr(socket, "AF_UNIX")
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing when a client disconnects early."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def serve(folder: Path, port: int = 8000, ready: Callable[[str], None] = print) -> None:
    """Serve until interrupted; `ready` is called with the address once it can be opened."""
    with make_server(folder, port) as server:
        try:
            ready(f"http://{LOOPBACK}:{server.server_address[1]}/")
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _free_port(taken: int) -> int:
    """The next port after `taken` that is free, or 0, which lets the system choose."""
    for port in range(taken + 1, min(taken + 50, 65536)):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    return 0
