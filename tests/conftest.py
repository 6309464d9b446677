"""Beside the tests, so that those in folders below can import what lies here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from few_published import few_published_heads
from misbehaving_server import KEY, MisbehavingServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first, so that no process ends with one while the others are done."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Nothing here outlives the power, so nothing has to be on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _descriptor: None)
        yield


@pytest.fixture(scope="module")
def few_published() -> Iterator[None]:
    """Sites of this file have few pages of published heads."""
    with few_published_heads():
        yield


@pytest.fixture
def chat_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, no server but the one that a test names, and no long waits before a retry."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)


@pytest.fixture
def server(chat_environment: None) -> Iterator[MisbehavingServer]:
    """A label server that answers well until it is told otherwise."""
    with MisbehavingServer() as running:
        yield running


@pytest.fixture
def tiny_vit_b_32(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of an architecture stands for a tiny one, so that its checkpoints are small."""
    from checkpoints import TINY
    from model_loading import TINY_NAME

    from clipheads.model.open_clip_import import import_open_clip

    monkeypatch.setitem(import_open_clip().factory._MODEL_CONFIGS, TINY_NAME, TINY)


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_vit_b_32: None) -> Path:
    """A checkpoint of that architecture, with random weights."""
    import torch
    from checkpoints import TINY, random_clip

    file = tmp_path / "weights.pt"
    torch.save(random_clip(TINY).state_dict(), file)
    return file
