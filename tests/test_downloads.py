"""Weights are downloaded once, under their tag, and without a network nothing is waited for."""

import logging
import socket
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from model_loading import TINY_NAME, failure

from clipheads.model.load import load_model
from clipheads.model.open_clip_import import import_open_clip


def test_a_failed_download_says_what_was_tried_and_what_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(import_open_clip(), "download_pretrained", refuse)
    message = failure("ViT-B-16_openai")
    record = import_open_clip().get_pretrained_cfg("ViT-B-16", "openai")
    assert f"hf-hub:{record['hf_hub']}" in message
    assert record["url"] in message
    assert "--checkpoint FILE" in message


def test_without_a_network_a_download_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library alone would retry for most of a minute."""
    attempts = []

    def refuse(*_args: object, **_options: object) -> None:
        attempts.append(1)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    offline = import_module("huggingface_hub.constants").HF_HUB_OFFLINE
    assert "(no connection)" in failure("ViT-B-32_laion2b_s34b_b79k")
    assert len(attempts) <= 2
    assert offline == import_module("huggingface_hub.constants").HF_HUB_OFFLINE


def test_downloaded_weights_are_used_under_their_tag(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    asked = []

    def fetch(record: dict[str, Any], **_options: object) -> str:
        asked.append(record["hf_hub"] or record["url"])
        if record["hf_hub"]:
            raise OSError("the hub is down")
        return str(checkpoint)

    monkeypatch.setattr(import_open_clip(), "download_pretrained", fetch)
    model = load_model("ViT-B-32_openai", device="cpu")
    assert asked[-1].startswith("https://")
    assert set(asked[:-1]) == {import_open_clip().get_pretrained_cfg(TINY_NAME, "openai")["hf_hub"]}
    assert model.weights.source == "openai"
    assert model.architecture.quick_gelu


def test_weights_in_the_cache_need_no_network(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    constants = import_module("huggingface_hub.constants")

    def fetch(_record: dict[str, Any], **_options: object) -> str:
        assert constants.HF_HUB_OFFLINE
        return str(checkpoint)

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(import_open_clip(), "download_pretrained", fetch)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert load_model("ViT-B-32_openai", device="cpu").weights.source == "openai"
    assert not constants.HF_HUB_OFFLINE


def test_local_weights_need_no_network(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")


def test_loading_says_nothing(
    checkpoint: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    level = logging.root.manager.disable
    load_model("ViT-B-32_openai", checkpoint=checkpoint, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not recwarn.list
    assert logging.root.manager.disable == level
