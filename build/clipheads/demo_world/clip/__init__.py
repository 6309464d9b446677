"""The demo CLIP: what it learns, how, and how well."""
