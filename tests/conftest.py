"""Beside the tests, so that those in folders below can import what lies here."""

from collections.abc import Iterator

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
