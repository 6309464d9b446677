"""Scenes that know their own truth."""
