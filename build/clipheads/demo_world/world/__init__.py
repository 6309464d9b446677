"""Scenes with their ground truth: objects, backdrops, captions, and the gallery of them."""
