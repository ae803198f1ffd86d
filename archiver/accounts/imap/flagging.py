r"""Flags that a server forgot: set again with STORE (RFC 9051 section 6.4.6), and told where it keeps them not.

Exchange forgets `\Flagged` given with APPEND (imapsync FAQ.Exchange).
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial

from archiver.accounts.imap import uidset
from archiver.accounts.imap.append import can_be_set, is_servers_own
from archiver.accounts.imap.link import Link, check_epoch, select
from archiver.accounts.imap.session import Session
from archiver.errors import Forbidden
from archiver.model import Flags, Folder

_SET_BYTES = 4_000  # of UIDs in a command


def keep_flags(
    link: Link, mailbox: bytes, folder: Folder, epoch: str, wanted: Mapping[str, Flags]
) -> Mapping[str, Flags]:
    """Make sure that messages have these flags; give those that the server does not keep, key -> flags.

    Flags that they have beside these are left alone. Raises `FolderRefused`, `Unreachable`.
    """
    lacking = _lacking(link, mailbox, folder, epoch, wanted)
    if not lacking:
        return {}
    with suppress(Forbidden):  # what lacks then is told, message by message
        link.run(lambda session: _store(session, mailbox, folder, epoch, lacking))
    return _lacking(link, mailbox, folder, epoch, {key: wanted[key] for key in lacking})


def _lacking(
    link: Link, mailbox: bytes, folder: Folder, epoch: str, wanted: Mapping[str, Flags]
) -> dict[str, Flags]:
    """Compare with what the server shows; a message that it does not show lacks nothing: it is gone."""
    found: dict[str, Flags] = {}
    for uids in uidset.sets(map(int, wanted), _SET_BYTES):
        listing = partial(Session.listing, what=uids, items=b"UID FLAGS")
        rows, _ = link.on(mailbox, folder.name, epoch, listing)
        for row in rows:
            flags = wanted.get(str(row.uid))
            if flags is not None and row.flags is not None and not flags <= row.flags:
                there = {flag.lower() for flag in row.flags}
                lost = {one for one in flags if one.lower() not in there and not is_servers_own(one)}
                if lost:
                    found[str(row.uid)] = frozenset(lost)
    return found


def _store(
    session: Session, mailbox: bytes, folder: Folder, epoch: str, lacking: Mapping[str, Flags]
) -> None:
    """Open the mailbox for writing, and set what is lacking; what the server says to it is seen by its flags."""
    by_flags: dict[Flags, list[int]] = {}
    for key, flags in lacking.items():
        settable = frozenset(flag for flag in flags if can_be_set(flag))
        if settable:
            by_flags.setdefault(settable, []).append(int(key))
    check_epoch(select(session, mailbox, folder.name), folder.name, epoch)
    for flags, uids in by_flags.items():
        _store_each(session, uids, flags)


def _store_each(session: Session, uids: Collection[int], flags: Flags) -> None:
    for part in uidset.sets(uids, _SET_BYTES):
        status = session.run(*_command(part, flags))
        if status.word != "OK" and len(flags) > 1:  # one of them is refused: the others go by themselves
            for flag in sorted(flags):
                session.run(*_command(part, frozenset({flag})))


def _command(uids: bytes, flags: Flags) -> list[bytes]:
    return [b"UID STORE ", uids, b" +FLAGS.SILENT (", " ".join(sorted(flags)).encode("ascii"), b")"]
