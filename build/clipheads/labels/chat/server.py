"""The chat-completions server that is meant, and the key that no message may show."""

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from clipheads.bundle.errors import AtlasError
from clipheads.labels.chat.settings import ChatSettings

_QUOTED = 200
"""Characters of a server's own words that an error message repeats."""

_SHORTEST_SECRET = 8
"""A key shorter than this is a placeholder for a server that needs none, such as "none"."""


@dataclass(frozen=True)
class ChatServer:
    """A server by its address, and the API key that requests carry."""

    address: str
    key: str = field(repr=False)

    @property
    def name(self) -> str:
        """The address without user, password and query, which may be secret."""
        parts = urlsplit(self.address)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
        return f"{parts.scheme}://{host}{port}{parts.path}"

    def without_key(self, text: str) -> str:
        """Return the text with the key struck out."""
        if len(self.key) < _SHORTEST_SECRET:
            return text
        return text.replace(self.key, "[key]")

    def hides_key(self, text: str) -> bool:
        """Whether the text has the key in escapes of JSON, however often they were escaped."""
        points = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        plain = re.sub(r"\\+(.)", r"\1", points)
        return self.without_key(plain) != plain

    def quote(self, text: str) -> str:
        """Return the server's own words as they go into a line: short, and without the key."""
        # The key goes first: half of it would not be found any more.
        words = self.without_key(" ".join(text.split()))
        return words if len(words) <= _QUOTED else words[: _QUOTED - 1].rstrip() + "…"


def find_server(settings: ChatSettings) -> ChatServer:
    """Return the server of the settings, with the key of the environment.

    Raises:
        AtlasError: if its address is none of a web server, or there is no key.
    """
    return ChatServer(server_address(settings.server), api_key())


def api_key() -> str:
    """Return the key of the environment.

    Raises:
        AtlasError: if there is none, or it cannot be one.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise AtlasError(
            "OPENAI_API_KEY is not set: in-context labels need a key (any word for a server that"
            " needs none); without one, use the embedded labeller"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise AtlasError("OPENAI_API_KEY holds a space or a character that no key has")
    return key


def server_address(base_url: str | None) -> str:
    """Return the base URL that is meant: the given one, `OPENAI_BASE_URL`, or OpenAI's own.

    Raises:
        AtlasError: if it is no address of a web server.
    """
    address = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    try:
        parts = urlsplit(address)
        name = (parts.hostname or "").encode("idna")  # refuses labels that no host can have
        plain = address.isprintable() and " " not in address and "\\" not in address
        if plain and name and parts.scheme in {"http", "https"} and parts.port != 0:
            return address
    except ValueError:
        pass
    raise AtlasError(
        "the base URL of the label server is no web address; one looks like"
        " http://localhost:8080/v1"
    )
