"""onnxruntime-web comes from npm once, is what was pinned, or the site says where it is from."""

import os
import stat
import sys

import pytest

from headatlas.runtime import onnxruntime_web
from headatlas.runtime.onnxruntime_web import INTEGRITY, VERSION, fetch_runtime, integrity


@pytest.fixture
def small(monkeypatch):
    """A runtime of a few bytes that takes the place of the real one."""
    files = {"ort.mjs": b"export {};", "ort.wasm": b"\0asm"}
    monkeypatch.setattr(
        onnxruntime_web, "INTEGRITY", {name: integrity(data) for name, data in files.items()}
    )
    return files


def _npm(folder, monkeypatch, script):
    """Put a program named npm before all others."""
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(npm.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def _packs(files, folder):
    """The commands of an npm whose package holds `files`, and that counts its calls."""
    (folder / "package" / "dist").mkdir(parents=True)
    for name, content in files.items():
        (folder / "package" / "dist" / name).write_bytes(content)
    return f'echo "$@" >> "{folder}/calls"; tar czf ort.tgz -C "{folder}" package'


def test_a_second_site_downloads_nothing(tmp_path, monkeypatch, small):
    _npm(tmp_path / "bin", monkeypatch, _packs(small, tmp_path / "npm"))
    first = fetch_runtime(tmp_path / "cache")
    second = fetch_runtime(tmp_path / "cache")
    assert first == second
    assert first.reason == ""
    assert {name: first.files[name] for name in small} == small
    assert b"Microsoft" in first.files["LICENSE"]
    calls = (tmp_path / "npm" / "calls").read_text().splitlines()
    assert len(calls) == 1
    assert f"onnxruntime-web@{VERSION}" in calls[0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep caches elsewhere")
@pytest.mark.parametrize(("variable", "below"), [("XDG_CACHE_HOME", ""), ("HOME", ".cache")])
def test_without_a_folder_the_users_cache_is_used(tmp_path, monkeypatch, small, variable, below):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    folder = tmp_path / below / "clip-head-atlas" / f"onnxruntime-web-{VERSION}"
    folder.mkdir(parents=True)
    for name, content in small.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm
    assert fetch_runtime().reason == ""


def test_a_damaged_cache_is_fetched_again(tmp_path, monkeypatch, small):
    _npm(tmp_path / "bin", monkeypatch, _packs(small, tmp_path / "npm"))
    fetch_runtime(tmp_path / "cache")
    (kept,) = (tmp_path / "cache").rglob("ort.wasm")
    kept.write_bytes(b"something else")
    assert fetch_runtime(tmp_path / "cache").files["ort.wasm"] == small["ort.wasm"]
    assert kept.read_bytes() == small["ort.wasm"]


def test_other_bytes_than_the_pinned_ones_are_refused(tmp_path, monkeypatch, small):
    changed = {**small, "ort.mjs": b"something else"}
    _npm(tmp_path / "bin", monkeypatch, _packs(changed, tmp_path / "npm"))
    runtime = fetch_runtime(tmp_path / "cache")
    assert runtime.files == {}
    assert "ort.mjs" in runtime.reason
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("script", ["exit 1", "true", "echo no archive > ort.tgz"])
def test_an_npm_that_fails_is_a_reason_and_no_error(tmp_path, monkeypatch, small, script):
    _npm(tmp_path / "bin", monkeypatch, script)
    runtime = fetch_runtime(tmp_path / "cache")
    assert runtime.files == {}
    assert "npm" in runtime.reason


def test_without_npm_the_reason_says_so(tmp_path, monkeypatch, small):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch_runtime(tmp_path / "cache").reason == "npm is not installed"


def test_the_pinned_hashes_are_written_as_browsers_read_them():
    assert len(INTEGRITY) == 2
    for name, value in INTEGRITY.items():
        assert value.startswith("sha384-"), name
        assert len(value) == len(integrity(b""))
