"""Questions to a language model behind a chat-completions server, answered once and kept."""
