"""Beside the tests, so that those in folders below can import what lies here."""

from collections.abc import Iterator

import pytest
from misbehaving_server import KEY, MisbehavingServer


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
