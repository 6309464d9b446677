"""The server shows a site to this machine only."""

import socket
import threading
import urllib.error
import urllib.request

import pytest

from clipheads.errors import AtlasError
from headatlas.serve import LOOPBACK, make_server, serve

FILES = {
    "index.html": "<title>Home</title>",
    "404.html": '<title>Missing</title><link href="assets/a.css"><a href="#x">x</a>',
    "m/L0.H0/index.html": "<title>Head</title>",
    "x.webp": "",
    "x.mjs": "",
    "x.wasm": "",
    "x.onnx": "",
    "empty/file.txt": "",
}


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "site"


@pytest.fixture
def address(folder):
    with make_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def get(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/m/L0.H0/", "text/html; charset=utf-8"),
        ("/m/L0.H0", "text/html; charset=utf-8"),
        ("/x.webp", "image/webp"),
        ("/x.mjs", "text/javascript; charset=utf-8"),
        ("/x.wasm", "application/wasm"),
        ("/x.onnx", "application/octet-stream"),
    ],
)
def test_files_come_with_their_type(address, path, kind):
    status, headers, _ = get(address + path)
    assert (status, headers["Content-Type"]) == (200, kind)


@pytest.mark.parametrize(
    "path", ["/gone", "/m/gone/", "/empty/", "/../secret.txt", "/%2e%2e/secret.txt"]
)
def test_what_is_not_there_gets_the_sites_own_page(address, path):
    status, _, body = get(address + path)
    assert status == 404
    assert body == FILES["404.html"]
    assert "secret" not in body


def test_only_this_machine_can_reach_it(folder):
    with make_server(folder, 0) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_a_taken_port_names_one_that_is_free(folder):
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AtlasError, match=rf"port {port} is taken; try --port \d+") as refused:
            make_server(folder, port)
    suggested = int(str(refused.value).rsplit(" ", 1)[1])
    make_server(folder, suggested).server_close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(folder, port):
    with pytest.raises(AtlasError, match="0 to 65535"):
        make_server(folder, port)


def test_a_folder_without_a_site_is_refused(tmp_path):
    with pytest.raises(AtlasError, match="head-atlas site"):
        make_server(tmp_path, 0)


def test_serve_says_its_address_and_ends_quietly_when_interrupted(folder):
    def interrupt(address):
        assert address.startswith("http://127.0.0.1:")
        raise KeyboardInterrupt

    serve(folder, 0, interrupt)
