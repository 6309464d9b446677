"""CLIP models: their names, checkpoints and texts."""
