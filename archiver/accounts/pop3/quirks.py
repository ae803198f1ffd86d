"""The oddities of real POP3 servers: each by name, with where it was met. Pure: values in, values out.

Where an oddity needs no more than a tolerant reader, that reader is the cure (`wire`, `connection`, `maildrop`).
"""

import re
from collections.abc import Mapping

from archiver.accounts.pop3.wire import unstuff

_GMAIL = frozenset({"pop.gmail.com", "pop.googlemail.com"})

# Servers without the codes of RFC 2449 and RFC 3206 say in words that another client has the mailbox, such as
# `-ERR maildrop already locked` (RFC 1939 section 4) or `-ERR Unable to lock mailbox`.
_BUSY = re.compile(
    r"already (?:locked|open|in use)|(?:unable to|cannot) lock|locked by another|temporar(?:y|ily)"
    r"|(?:mailbox|maildrop) (?:is )?(?:locked|busy|in use)|too many (?:simultaneous )?connections",
    re.IGNORECASE,
)


def is_busy(text: str) -> bool:
    """Tell whether a refusal without a code means "later"."""
    return bool(_BUSY.search(text))


# https://www.limilabs.com/blog/gmails-pop3-behavior: a session shows some 250 messages; what was read in a session
# that ended in QUIT counts as fetched and is never shown again. A user `recent:NAME` sees the last 30 days.
def is_gmail(host: str) -> bool:
    """Tell whether this is Gmail."""
    return host.lower().rstrip(".") in _GMAIL


def plain_user(user: str) -> str:
    """Give the user without the word that asks Gmail for another view of the same mailbox."""
    return user[len("recent:") :] if user.lower().startswith("recent:") else user


GMAIL_WARNING = (
    "Gmail shows a POP3 client only a part of the mail, some 250 messages at a time, and not what another client has "
    'read; use IMAP (imap.gmail.com), or "recent:" before the user name for the last 30 days'
)


# RFC 2449 section 6.7: with EXPIRE 0 the server may delete, at QUIT, whatever was read.
def deletes_what_is_read(capabilities: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether the server announces that it deletes each message that a client has read."""
    return capabilities.get("EXPIRE", ())[:1] == ("0",)


EXPIRE_WARNING = (
    "this server deletes what a POP3 client has read when it ends its session; "
    "archiver breaks off its sessions instead, so that nothing is deleted"
)


# Two answers run together where the dot that ends a message is not on a line of its own (Exchange 2000, fetchmail
# FAQ S2), if the next was asked for already.
def is_run_together(raw: bytes, size: int | None) -> bool:
    """Tell whether this may be two messages, the end of the first not found."""
    return size is not None and len(raw) > size and (b".\r\n+OK" in raw or b".\r\n-ERR" in raw)


def ended_without_line(partial: bytes, size: int | None) -> bytes | None:
    """Give the message of which only the end of its last line is missing; None if it may not be whole.

    The dot stands behind the text then, and nothing more ever comes. A line that went silent behind a full stop
    looks the same, so the size has to be that which was told, counted with the line end or without.
    """
    if not partial.endswith(b".\r\n"):
        return None
    raw = unstuff(partial[:-3])
    return raw if size in (len(raw), len(raw) + 2) else None


# fetchmail FAQ S7: FTGate answers TOP with two lines of +OK.
def without_second_ok(body: bytes) -> bytes:
    """Take away a second status line."""
    return body.partition(b"\n")[2] if re.match(rb"\+OK[ \r\n]", body) else body
