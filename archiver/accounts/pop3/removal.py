"""Delete messages for good: DELE, then QUIT, then a new session that tells what is gone.

A session that does not reach its QUIT has deleted nothing (RFC 1939 section 6), so every doubt ends in a dropped line.
"""

import contextlib
from collections.abc import Iterator, Sequence

from archiver.accounts.link import Link
from archiver.accounts.pop3 import maildrop, replies
from archiver.accounts.pop3.listing import Lister
from archiver.accounts.pop3.session import Session
from archiver.errors import RefusedForSafety, Unreachable
from archiver.model import Removed, Unremoved

IN_FLIGHT = 100
"""DELE asked for ahead of their answers."""

_IN_DOUBT = "the server still has its id, of another size or for several messages"
_NO_IDS = "the server has a message of its size, and tells no id of that"
_LISTED = "the server lists it still"


def remove(link: Link[Session], lister: Lister, keys: Sequence[str]) -> Iterator[Removed | Unremoved]:
    """Delete the messages of these keys, and no others; each is answered once, by a fresh listing.

    Raises `RefusedForSafety`, `FolderRefused`, `Unreachable`.
    """
    if not keys:
        return
    wanted = dict.fromkeys(keys)
    reasons = _delete(link, lister, wanted)
    link.drop()  # whatever is left of that session marks nothing more
    there = link.run(lister.list)
    ids = {row.told for row in there.values()}
    nameless = {row.size for row in there.values() if row.key is None}
    for key in wanted:
        if key in there:
            yield Unremoved(key, reasons.get(key) or reasons.get("") or _LISTED)
        elif maildrop.id_of(key) in ids:
            yield Unremoved(key, _IN_DOUBT)
        elif maildrop.size_of(key) is not None and nameless & {maildrop.size_of(key), None}:
            yield Unremoved(key, _NO_IDS)
        else:
            yield Removed(key)


def _delete(link: Link[Session], lister: Lister, wanted: dict[str, None]) -> dict[str, str]:
    """Delete in one session, and tell by key what the server said against it, under "" what holds for all."""
    link.close()
    listed = link.run(lister.list)
    session = link.session()
    numbers = {key: listed[key].number for key in wanted if key in listed}
    if session.touched and not session.quits and numbers:
        raise RefusedForSafety(
            "the server tells no ids and deletes what is read: nothing can be deleted there one by one",
            "delete with the provider's own means",
        )
    try:
        reasons = _mark(session, numbers)
        goodbye = session.quit()
        if not goodbye.ok:
            reasons[""] = f"the server did not delete all: {replies.words(goodbye)}"
    except Unreachable as error:
        _take_back(session)
        reasons = {"": error.text}
    except BaseException:
        _take_back(session)
        link.drop()
        raise
    return reasons


def _take_back(session: Session) -> None:
    """Unmark all, as far as the line still goes. Without QUIT nothing is deleted anyway, at a server of the RFC."""
    with contextlib.suppress(Unreachable):
        session.send(b"RSET")


def _mark(session: Session, numbers: dict[str, int]) -> dict[str, str]:
    """Mark messages as deleted. A line that breaks here deletes none of them."""
    reasons: dict[str, str] = {}
    ahead = IN_FLIGHT if session.is_pipelined else 1
    items = list(numbers.items())
    for start in range(0, len(items), ahead):
        some = items[start : start + ahead]
        session.send(b"\r\n".join(b"DELE %d" % number for _, number in some))
        for key, _ in some:
            status = session.status()
            if not status.ok:
                reasons[key] = f"the server refuses to delete it: {replies.words(status)}"
    return reasons
