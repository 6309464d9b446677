"""Beside the tests, so that those in folders below can import what lies here."""
