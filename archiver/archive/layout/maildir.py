"""Layout maildir: one message an object, so that the decrypted tree is a Maildir."""

import secrets

from archiver.formats import maildir
from archiver.ports import Label


class MaildirLayout:
    """See `Layout`."""

    name = "maildir"
    shares_objects = False

    def key(self, chain: str, seq: int, number: int, label: Label) -> str:
        """See `Layout.key`; the 8 random hex digits keep a retry from overwriting."""
        unique = f"{seq}-{number}-{secrets.token_hex(4)}.{chain}"
        name = maildir.file_name(label, unique)
        return f"chains/{chain}/maildir/f{label.folder_id:04d}/cur/{name}.zst.age"

    def wrap(self, label: Label, raw: bytes) -> list[bytes]:
        """See `Layout.wrap`."""
        return maildir.wrap(label, raw)

    def unwrap(self, stored: bytes) -> tuple[Label, bytes]:
        """See `Layout.unwrap`."""
        return maildir.unwrap(stored)
