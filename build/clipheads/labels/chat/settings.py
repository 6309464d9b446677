"""How a chat-completions server is queried."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChatSettings:
    """The model, the server that has it, its timeout and retries."""

    model: str = "gpt-4o-mini"
    """As the server names it."""
    server: str | None = None
    """Its base URL; by default `OPENAI_BASE_URL`, or else OpenAI's own."""
    concurrency: int = 4
    """Requests at once."""
    timeout: float = 60.0
    """Seconds for one request, from connecting to the last byte of the reply."""
    retries: int = 5
    """Further requests for a question after 429, 5xx, a timeout or a dropped connection."""
