"""Layout mbox: many messages an object, in the order they came."""

import secrets

from archiver.formats import mbox
from archiver.ports import Label


class MboxLayout:
    """See `Layout`."""

    name = "mbox"
    shares_objects = True

    def key(self, chain: str, seq: int, number: int, label: Label) -> str:
        """See `Layout.key`."""
        return f"chains/{chain}/volumes/{seq:08d}-{number:02d}-{secrets.token_hex(4)}.mbox.zst.age"

    def wrap(self, label: Label, raw: bytes) -> list[bytes]:
        """See `Layout.wrap`."""
        return mbox.wrap(label, raw)

    def unwrap(self, stored: bytes) -> tuple[Label, bytes]:
        """See `Layout.unwrap`."""
        return mbox.unwrap(stored)
