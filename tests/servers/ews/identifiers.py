"""Ids and change keys as Exchange gives them: opaque, base64, and different ones that differ by letter case alone."""

import base64
import binascii
import hashlib
import re


def is_id(written: str | None) -> bool:
    """Tell whether a text could be an id at all."""
    try:
        return bool(base64.b64decode(written or "", validate=True))
    except binascii.Error:
        return False


class Identifiers:
    """Makes the ids of a server; `seed` makes them differ from those of another server."""

    def __init__(self, seed: str = "") -> None:
        self._seed = seed
        self._made = 0
        self._written = 0
        self._twin: str | None = None

    def new(self, kind: str) -> str:
        """Make an id. Every second one of an item is its predecessor with the case of one letter turned."""
        if kind == "item" and self._twin is not None:
            made, self._twin = self._twin, None
            return made
        self._made += 1
        digest = hashlib.sha384(f"{self._seed} {kind} {self._made}".encode()).digest()
        made = (
            "AAMkAD"
            + base64.b64encode(b"\x00" + digest + (b"\x2e" if kind == "folder" else b"\x46")).decode()
        )
        made = made[: len(made) // 4 * 4]
        if kind == "item":
            at = next(found.start() for found in re.finditer("[A-Za-z]", made) if found.start() > 12)
            self._twin = made[:at] + made[at].swapcase() + made[at + 1 :]
        return made

    def key(self) -> str:
        """Make a change key, which no other write got."""
        self._written += 1
        raw = b"\t\x00\x00\x00\x16\x00\x00\x00" + self._written.to_bytes(8, "big")
        return base64.b64encode(raw).decode()

    @property
    def written(self) -> int:
        """How many change keys were given."""
        return self._written
