"""Bytes at rest, by key; knows nothing of mail."""
