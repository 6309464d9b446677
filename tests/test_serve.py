"""The server shows a site to this machine only."""

import socket
import struct
import threading
import urllib.error
import urllib.request

import pytest

from clipheads.bundle.errors import AtlasError
from headatlas.publish.serve import LOOPBACK, make_server, serve

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


@pytest.mark.parametrize("path", ["/%00", "/x%00.html", "/%ED%A0%80", "/%FF", "/a" + "b" * 3000])
def test_an_address_that_no_file_can_have_is_not_there(address, path, capfd):
    status, _, body = get(address + path)
    assert (status, body) == (404, FILES["404.html"])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("path", ["/.head-atlas.json", "/.git/config", "/m/.x"])
def test_hidden_files_are_not_served(folder, address, path):
    (folder / path[1:]).parent.mkdir(exist_ok=True)
    (folder / path[1:]).write_text("hidden")
    assert get(address + path)[0] == 404


def test_links_out_of_the_site_are_not_followed(folder, address):
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "link").symlink_to(folder.parent)
    (folder / "linked").mkdir()
    (folder / "linked" / "index.html").symlink_to(folder.parent / "secret.txt")
    (folder / "within.webp").symlink_to(folder / "x.webp")
    for path in ("/link.txt", "/link/secret.txt", "/link/", "/linked/"):
        status, _, body = get(address + path)
        assert (status, "secret" in body) == (404, False)
    assert get(address + "/within.webp")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_host_that_is_not_this_machine_gets_nothing(address, host):
    request = urllib.request.Request(f"{address}/", headers={"Host": host})
    status, _, body = get(request)
    assert status == 421
    assert "Home" not in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:80"])
def test_this_machine_has_several_names(address, host):
    request = urllib.request.Request(f"{address}/", headers={"Host": host})
    assert get(request)[0] == 200


def test_a_visitor_who_leaves_is_not_an_error(folder, address, capfd):
    (folder / "large.bin").write_bytes(bytes(30_000_000))
    host, port = address.removeprefix("http://").split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as visitor:
            visitor.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
            visitor.recv(10)
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert get(address + "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_silent_connection_is_closed(address, monkeypatch):
    monkeypatch.setattr("headatlas.publish.serve._Handler.timeout", 0.2)
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as visitor:
        visitor.settimeout(10)
        assert visitor.recv(10) == b""


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
