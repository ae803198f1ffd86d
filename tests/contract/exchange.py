"""What a server of Exchange keeps of a message, for the contracts: not its bytes."""

from email import message_from_bytes
from email.message import Message

from archiver.formats.record import is_record, unpack


def gist(raw: bytes) -> str:
    """Give the Message-ID, the subject and the text of a message, or of the one that a record carries."""
    if is_record(raw):
        raw = unpack(raw).body
    read = message_from_bytes(raw)
    text = read.get_payload(decode=True) if not read.is_multipart() else None
    body = text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
    return "\n".join(
        [
            _value(read, "Message-ID"),
            _value(read, "Subject"),
            *body.replace("\r\n", "\n").rstrip().split("\n"),
        ]
    )


def _value(read: Message, name: str) -> str:
    return "".join(str(read[name] or "").split())
