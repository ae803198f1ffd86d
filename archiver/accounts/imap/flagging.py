r"""Flags that a server forgot: set again with STORE (RFC 9051 section 6.4.6), and told where it keeps them not.

Exchange forgets `\Flagged` given with APPEND (imapsync FAQ.Exchange). The labels of Gmail cannot go with APPEND at
all: they are set here, by `STORE +X-GM-LABELS`.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial

from archiver.accounts.imap import labels, quirks, uidset
from archiver.accounts.imap.append import can_be_set, is_servers_own
from archiver.accounts.imap.link import Link, check_epoch, select
from archiver.accounts.imap.session import Piece, Session
from archiver.errors import Forbidden
from archiver.model import Flags, Folder
from archiver.plan.labels import label_flags

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
    labelled, utf8 = link.run(lambda session: (quirks.has_labels(session.capabilities), session.utf8))
    labelled = labelled and any(label_flags(flags) for flags in wanted.values())
    items = b"UID FLAGS " + labels.ITEM if labelled else b"UID FLAGS"
    for uids in uidset.sets(map(int, wanted), _SET_BYTES):
        rows, _ = link.on(mailbox, folder.name, epoch, partial(Session.listing, what=uids, items=items))
        for row in rows:
            flags = wanted.get(str(row.uid))
            if flags is None or row.flags is None or (labelled and row.labels is None):
                continue
            kept = row.flags | labels.read(row.labels or (), utf8=utf8)
            if not flags <= kept:
                there = {flag.lower() for flag in kept}
                lost = {one for one in flags if one.lower() not in there and not is_servers_own(one)}
                if lost:
                    found[str(row.uid)] = frozenset(lost)
    return found


def _store(
    session: Session, mailbox: bytes, folder: Folder, epoch: str, lacking: Mapping[str, Flags]
) -> None:
    """Open the mailbox for writing, and set what is lacking; what the server says to it is seen by its flags."""
    by_flags: dict[Flags, list[int]] = {}
    by_labels: dict[Flags, list[int]] = {}
    for key, flags in lacking.items():
        if quirks.has_labels(session.capabilities) and (named := label_flags(flags)):
            by_labels.setdefault(named, []).append(int(key))
        settable = frozenset(flag for flag in flags if can_be_set(flag))
        if settable:
            by_flags.setdefault(settable, []).append(int(key))
    check_epoch(select(session, mailbox, folder.name), folder.name, epoch)
    for flags, uids in by_flags.items():
        _store_each(session, uids, flags, _flag_command)
    for flags, uids in by_labels.items():
        _store_each(session, uids, flags, partial(_label_command, utf8=session.utf8))


def _store_each(
    session: Session, uids: Collection[int], flags: Flags, command: Callable[[bytes, Flags], list[Piece]]
) -> None:
    for part in uidset.sets(uids, _SET_BYTES):
        status = session.run(*command(part, flags))
        if status.word != "OK" and len(flags) > 1:  # one of them is refused: the others go by themselves
            for flag in sorted(flags):
                session.run(*command(part, frozenset({flag})))


def _flag_command(uids: bytes, flags: Flags) -> list[Piece]:
    return [b"UID STORE ", uids, b" +FLAGS.SILENT (", " ".join(sorted(flags)).encode("ascii"), b")"]


def _label_command(uids: bytes, flags: Flags, *, utf8: bool) -> list[Piece]:
    return [b"UID STORE ", uids, b" +" + labels.ITEM + b" ", *labels.write(flags, utf8=utf8)]
