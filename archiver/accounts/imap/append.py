"""Putting mail into a mailbox: APPEND, many messages a command where the server has MULTIAPPEND (RFC 3502).

A batch that is refused is halved until the one message is found that the server does not take; that one is
tried in other forms, each documented beside its quirk, and the bytes are never altered.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from archiver.accounts.imap import quirks, replies, uidset
from archiver.accounts.imap.events import Status
from archiver.accounts.imap.session import LiteralRefused, Octets, Piece, Session, astring
from archiver.errors import FolderRefused, Forbidden
from archiver.model import Appended, Folder, Outgoing, Ref, Refused

BATCH_MESSAGES = 200
BATCH_BYTES = 4 << 20
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ATOM = re.compile(r"[^\x00-\x20\x7f-\uffff(){%*\"\\\]]+\Z")
_SYSTEM = frozenset({"\\seen", "\\answered", "\\flagged", "\\deleted", "\\draft"})


def batches(messages: Iterable[Outgoing], session_multi: bool) -> Iterator[list[Outgoing]]:
    """Gather messages for one command each: many, unless the server takes one at a time."""
    batch: list[Outgoing] = []
    size = 0
    for message in messages:
        full = len(batch) >= BATCH_MESSAGES or size + len(message.raw) > BATCH_BYTES
        if batch and (full or not session_multi):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message.raw)
    if batch:
        yield batch


def append(
    session: Session, mailbox: bytes, folder: Folder, batch: Sequence[Outgoing]
) -> list[Appended | Refused]:
    """Put a batch into a mailbox, in order. Raises `Forbidden` for a full quota, `FolderRefused`."""
    limit = append_limit(session)
    if limit is not None and any(len(one.raw) > limit for one in batch):
        return _within(session, mailbox, folder, batch, limit)
    status = _send(session, mailbox, batch)
    if status.word == "OK":
        refs = _refs(status, folder, len(batch))
        return [Appended(one.digest, ref) for one, ref in zip(batch, refs, strict=True)]
    _stop_for(status, folder)
    if len(batch) > 1:
        half = len(batch) // 2
        return [
            *append(session, mailbox, folder, batch[:half]),
            *append(session, mailbox, folder, batch[half:]),
        ]
    return [_other_forms(session, mailbox, folder, batch[0], status)]


def append_limit(session: Session) -> int | None:
    """Tell the largest message that the server takes, in bytes (RFC 7889); None where it does not say."""
    for word in session.capabilities:
        name, _, size = word.partition("=")
        if name == "APPENDLIMIT" and size.isdecimal():
            return int(size)
    return None


def _within(
    session: Session, mailbox: bytes, folder: Folder, batch: Sequence[Outgoing], limit: int
) -> list[Appended | Refused]:
    """Leave out what is too large before it is sent; the answers keep their order."""
    taken = [one for one in batch if len(one.raw) <= limit]
    answers = iter(append(session, mailbox, folder, taken) if taken else ())
    return [
        next(answers)
        if len(one.raw) <= limit
        else Refused(one.digest, f"{len(one.raw)} bytes are more than the {limit} that the server takes")
        for one in batch
    ]


def _other_forms(
    session: Session, mailbox: bytes, folder: Folder, message: Outgoing, refusal: Status
) -> Appended | Refused:
    """Try what servers are known to refuse otherwise: keywords, then the date, then all flags."""
    system = frozenset(flag for flag in message.flags if flag.lower() in _SYSTEM)
    forms = [
        (Outgoing(message.digest, message.raw, system, message.received), "its keywords"),
        (Outgoing(message.digest, message.raw, message.flags, None), "its date of receipt"),
        (Outgoing(message.digest, message.raw, frozenset(), None), "its flags and its date of receipt"),
    ]
    for form, without in forms:
        if (form.flags, form.received) == (message.flags, message.received):
            continue
        status = _send(session, mailbox, [form])
        if status.word == "OK":
            ref = _refs(status, folder, 1)[0]
            why = f"the server took it without {without}: {replies.words(refusal)}"
            return Appended(message.digest, ref, why)
        _stop_for(status, folder)
    if b"\0" in message.raw and "BINARY" in session.capabilities:  # RFC 3516: literal8 may hold NUL
        status = _send(session, mailbox, [message], binary=True)
        if status.word == "OK":
            return Appended(message.digest, _refs(status, folder, 1)[0])
    return Refused(message.digest, f"the server does not take it: {replies.words(refusal)}")


def _send(session: Session, mailbox: bytes, batch: Sequence[Outgoing], *, binary: bool = False) -> Status:
    pieces: list[Piece] = [b"APPEND ", astring(mailbox)]
    for message in batch:
        pieces += [b" " + _attributes(message), Octets(message.raw, binary)]
    try:
        return session.run(*pieces)
    except LiteralRefused as refused:
        return refused.status


def _attributes(message: Outgoing) -> bytes:
    flags = sorted(flag for flag in message.flags if _can_be_set(flag))
    text = f"({' '.join(flags)}) " if flags else ""
    if message.received is not None:
        text += f'"{internal_date(message.received)}" '
    return text.encode("ascii")


def _can_be_set(flag: str) -> bool:
    r"""Leave out `\Recent`, which no client sets, other unknown `\Words`, and what is no atom (RFC 9051)."""
    return flag.lower() in _SYSTEM or (not flag.startswith("\\") and _ATOM.match(flag) is not None)


def internal_date(at: datetime) -> str:
    """Write a date-time as APPEND takes it (RFC 9051 section 9), in the zone it was archived with."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    zone = at.strftime("%z")[:5]
    return f"{at.day:2d}-{_MONTHS[at.month - 1]}-{at.year:04d} {at:%H:%M:%S} {zone}"


def _refs(status: Status, folder: Folder, count: int) -> list[Ref | None]:
    """Read APPENDUID (RFC 4315 section 3); without it, nobody knows the UIDs."""
    if status.code != "APPENDUID":
        return [None] * count
    try:
        epoch, uids = status.argument.split()
        pairs = uidset.read(uids)
    except (ValueError, uidset.BadSet):
        return [None] * count
    if uidset.count(pairs) != count:
        return [None] * count
    found = list(uidset.each(pairs))
    return [Ref(folder.name, epoch.decode("ascii"), str(uid)) for uid in found]


def _stop_for(status: Status, folder: Folder) -> None:
    """Raise what no other form of the message can help."""
    busy = replies.busy(status)
    if busy is not None:
        raise busy
    if status.code == "OVERQUOTA" or quirks.is_over_quota(status.text):
        raise Forbidden(
            f"the mailbox is full: {replies.words(status)}",
            "make room on the server, then run again: it goes on",
        )
    if status.code == "TRYCREATE":
        raise FolderRefused(f'the folder "{folder.name}" is not there: {replies.words(status)}', "run again")
