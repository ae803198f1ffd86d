"""IMAP as archiver's door to mail: `ports.Account` on a session, read only; `CanAppend` and `CanDelete` beside it."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from archiver.accounts.connection import Server
from archiver.accounts.imap import abilities, names, quirks, replies, uidset
from archiver.accounts.imap.appending import Appending
from archiver.accounts.imap.bodies import Bodies
from archiver.accounts.imap.changes import FolderChanges
from archiver.accounts.imap.delete import Remover, carry_out, uid_of
from archiver.accounts.imap.events import Event, Fetched, Listed
from archiver.accounts.imap.flagging import keep_flags
from archiver.accounts.imap.labels import are_told, is_folder
from archiver.accounts.imap.link import Link, reopen
from archiver.accounts.imap.opened import OpenFolder
from archiver.accounts.imap.retrieval import batches
from archiver.accounts.imap.scanner import text
from archiver.accounts.imap.session import Piece, Session, astring, is_selectable
from archiver.accounts.imap.sync import is_unchanged, read_token
from archiver.accounts.imap.taking import Target
from archiver.accounts.imap.wire import LITERAL_LIMIT
from archiver.accounts.reasons import GONE, WITHHELD
from archiver.errors import FolderRefused, RefusedForSafety
from archiver.model import (
    Appended,
    Change,
    Cursor,
    Done,
    Flags,
    Folder,
    Kind,
    Looked,
    Message,
    Missed,
    Outgoing,
    Ref,
    Refused,
    Remote,
    Removed,
    Secret,
    Unremoved,
)
from archiver.plan.labels import label_flags, labels_of, without_labels
from archiver.plan.special_uses import home_of, trash_of
from archiver.ports import Known

_log = logging.getLogger(__name__)

_MESSAGE_ID = re.compile(rb"^Message-ID[ \t]*:(.*(?:\r?\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
_SPECIAL = {"\\all", "\\archive", "\\drafts", "\\flagged", "\\important", "\\junk", "\\sent", "\\trash"}


class ImapAccount:
    """An account on an IMAP server; connects on first use. The contract is that of `ports.Account`.

    `literal_limit` is the largest message taken, bytes; `pause` waits, in seconds, between tries.
    """

    def __init__(
        self,
        server: Server,
        user: str,
        password: Callable[[], Secret],
        on_warning: Callable[[str], None] | None = None,
        *,
        literal_limit: int = LITERAL_LIMIT,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._link = Link(server, user, password, pause)
        self._warn = on_warning or _log.warning
        self._literal_limit = literal_limit
        self._mailboxes: dict[str, bytes] = {}
        self._separator: str | None = None
        self._appending = Appending(self._link)
        self._statuses: dict[str, Mapping[str, int]] = {}
        if server.security == "plaintext":
            self._warn(f'the password goes to "{server.host}" in the clear')

    def folders(self) -> Sequence[Folder]:
        """List what can be opened, by LIST (RFC 9051 section 6.3.9), with special uses (RFC 6154)."""
        listed, told, utf8, subscriptions = self._link.run(
            lambda session: (*session.mailboxes(), session.utf8, session.tells_subscriptions)
        )
        named = self._named([one for one in listed if is_selectable(one)], utf8)
        self._mailboxes = {name: one.mailbox for name, one in named.items()}
        self._separator = next((one.separator for one in listed if one.separator), None)
        self._statuses = {
            name: told[one.mailbox].values for name, one in named.items() if one.mailbox in told
        }
        return [
            Folder(name, one.separator, _special_use(one), _is_subscribed(one) if subscriptions else None)
            for name, one in named.items()
        ]

    def abilities(self) -> Sequence[str]:
        """See `Describes.abilities`."""
        return abilities.told(self._link.run(lambda session: session.capabilities))

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """Tell what changed; a folder whose STATUS is that of the cursor is not even opened."""
        status = self._statuses.pop(folder.name, None)
        token = read_token(since.token) if since else None
        labels = bool(status) and self._link.run(lambda one: are_told(one.capabilities, folder))
        unlabelled = labels and token is not None and not token.labels
        if since and token and status and not unlabelled and is_unchanged(since, status, self._link.owner):
            yield Done(since, token.messages)
            return
        yield from FolderChanges(self._link, folder, self._mailbox(folder), since, known)

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give the bodies, pipelined, by `BODY.PEEK[]`: no flag changes."""
        if not remotes:
            return
        ref = remotes[0].ref
        mailbox = self._mailbox(Folder(ref.folder))
        silent: list[Remote] = []
        for found in Bodies(self._link, mailbox, ref.folder, remotes, limit=self._literal_limit):
            if isinstance(found, Missed) and found.reason == GONE:
                silent.append(found.remote)
            else:
                yield found
        if silent:
            yield from self._explain(mailbox, ref, silent)

    def _explain(self, mailbox: bytes, ref: Ref, silent: Sequence[Remote]) -> Iterator[Missed]:
        """Tell messages that have gone from those that are listed still and are not given."""
        uids = uidset.write(uidset.ranges(sorted(int(remote.ref.key) for remote in silent)))
        rows, _ = self._link.on(mailbox, ref.folder, ref.epoch, lambda one: one.listing(uids, b"UID"))
        there = {str(row.uid) for row in rows}
        for remote in silent:
            gone = remote.ref.key not in there
            yield Missed(remote, GONE if gone else WITHHELD, gone=gone)

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """Read the Message-ID fields by `BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]`."""
        found: dict[str, str] = {}
        if not remotes:
            return found
        wanted = {int(remote.ref.key): remote for remote in remotes if remote.ref.key.isdecimal()}
        commands: list[list[Piece]] = [
            [
                b"UID FETCH ",
                uidset.write(uidset.ranges(batch.uids)),
                b" (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])",
            ]
            for batch in batches(dict.fromkeys(wanted, 0))
        ]

        def take(event: Event) -> None:
            if isinstance(event, Fetched) and event.uid in wanted:
                for section in event.sections:
                    value = _message_id(section.data) if section.data else None
                    if value:
                        found[str(event.uid)] = value

        ref = remotes[0].ref
        mailbox = self._mailbox(Folder(ref.folder))

        def step(session: Session) -> None:
            reopen(session, mailbox, ref.folder, ref.epoch)
            session.run_all(commands, take)

        self._link.run(step)
        return found

    def home(self) -> str:
        """Give the prefix of the user's own namespace (RFC 2342), such as `INBOX/`."""
        namespace = self._link.run(lambda session: session.namespace())
        for prefix, separator in namespace.personal:
            name = names.text(prefix.rstrip((separator or "/").encode()), separator)
            return f"{name}/" if name else ""
        return ""

    def takes(self, kind: Kind) -> bool:
        """See `CanAppend.takes`: nothing but mail."""
        return kind is Kind.MAIL

    def make_folder(self, folder: Folder) -> Folder:
        """Make a folder by CREATE and SUBSCRIBE (RFC 9051 sections 6.3.4 and 6.3.7).

        Its special use is told where the server has CREATE-SPECIAL-USE (RFC 6154 section 3).
        """
        if not self._mailboxes:
            self.folders()
        if folder.name not in self._mailboxes:
            subscribe = folder.subscribed is not False
            self._link.run(
                lambda session: self._make(session, folder.name, folder.special_use, subscribe=subscribe)
            )
        return Folder(folder.name, self._separator or "/")

    def _make(
        self,
        session: Session,
        name: str,
        special_use: str | None = None,
        hint: str = "restore to a folder of another name: --into FOLDER",
        *,
        subscribe: bool = True,
    ) -> None:
        mailbox = names.mailbox(name, self._separator or "/", utf8=session.utf8)
        status = None
        if special_use is not None and "CREATE-SPECIAL-USE" in session.capabilities:
            use = special_use.encode("ascii", "replace")
            status = session.run(b"CREATE ", astring(mailbox), b" (USE (" + use + b"))")
        if status is None or (status.word != "OK" and status.code != "ALREADYEXISTS"):
            status = session.run(b"CREATE ", astring(mailbox))
        if status.word != "OK" and status.code != "ALREADYEXISTS":
            raise replies.busy(status) or FolderRefused(
                f'the server does not make the folder "{name}": {replies.words(status)}', hint
            )
        if subscribe:
            subscribed = session.run(b"SUBSCRIBE ", astring(mailbox))
            if subscribed.word != "OK":
                _log.info('the folder "%s" is not subscribed: %s', name, replies.words(subscribed))
        self._mailboxes[name] = mailbox

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put messages into a mailbox by APPEND, by several connections where there is much to do."""
        mailbox = self._mailbox(folder)
        # labels are no flags to a server
        sent = (
            replace(one, flags=without_labels(one.flags)) if label_flags(one.flags) else one
            for one in messages
        )
        yield from self._appending.put(folder, mailbox, sent, lambda one: self._make(one, folder.name))

    def keeps_labels(self) -> bool:
        """Tell whether this is Gmail (X-GM-EXT-1)."""
        return self._link.run(lambda session: quirks.has_labels(session.capabilities))

    def keep_flags(self, folder: Folder, epoch: str, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        """See `CanAppend.keep_flags`: by FETCH, and STORE where something is lacking, labels too."""
        labels = {label for flags in wanted.values() for label in labels_of(flags) if is_folder(label)}
        if labels and self.keeps_labels():
            for label in sorted(labels):
                with suppress(
                    FolderRefused
                ):  # of a name that Gmail keeps for itself; what lacks then is told
                    self.make_folder(Folder(label))
        return keep_flags(self._link, self._mailbox(folder), folder, epoch, wanted)

    def trash(self) -> Folder | None:
        """Find the folder of the special use \\Trash (RFC 6154), else the one that is called like it."""
        folders = self.folders()
        return trash_of(folders, "") or trash_of(folders, self.home() or home_of(folders))

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        """Open the mailbox anew and list these UIDs; nothing is searched for."""
        opened = OpenFolder(self._link, self._mailbox(folder), folder)
        opened.open()
        opened.check(epoch)
        found: dict[str, Remote] = {}
        for row in opened.list_those([uid for key in keys if (uid := uid_of(key)) is not None]):
            if row.flags is None:
                raise FolderRefused(f'the server does not tell all flags in the folder "{folder.name}"')
            ref = Ref(folder.name, epoch, str(row.uid))
            found[ref.key] = Remote(ref, row.size, row.flags, row.received)
        return Looked(opened.now.exists, found)

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        """Move by UID MOVE, or mark and expunge by UID; at Gmail, for good by way of the trash."""
        if not keys:
            return
        unlabels = self._link.run(lambda session: quirks.expunge_only_unlabels(session.capabilities))
        trash = self.trash() if to is None and unlabels else None
        if to is None and unlabels and trash is None:
            raise RefusedForSafety(
                "Gmail shows no trash, and removes messages for good only from there",
                "let it show in IMAP: Gmail's settings, Labels, Bin",
            )
        purges = trash is not None and trash.name != folder.name
        target = self._target(trash if trash is not None and purges else to)
        if target is not None and target.mailbox == self._mailbox(folder):
            raise RefusedForSafety(
                f'the messages are in the folder "{folder.name}" already', "remove them for good instead"
            )
        remover = Remover(self._link, self._mailbox(folder), folder, epoch, target, purges=purges)
        yield from carry_out(self._link, remover, keys, self._warn)

    def _target(self, folder: Folder | None) -> Target | None:
        if folder is None:
            return None
        hint = "make it with another program, then run again"
        return Target(
            self._mailbox(folder),
            folder,
            lambda session: self._make(session, folder.name, folder.special_use, hint),
        )

    def close(self) -> None:
        """Log out."""
        self._appending.close()
        self._link.close()

    # --- names ----------------------------------------------------------------------------------------

    def _mailbox(self, folder: Folder) -> bytes:
        """Find the server's own name of a folder; without a listing, spell it as the server would."""
        if folder.name not in self._mailboxes and folder.separator is None:
            self.folders()
        if folder.name in self._mailboxes:
            return self._mailboxes[folder.name]
        return names.mailbox(folder.name, folder.separator, utf8=self._link.run(lambda session: session.utf8))

    def _named(self, listed: Sequence[Listed], utf8: bool) -> dict[str, Listed]:
        """Name each mailbox once. Of two that read the same, the well-encoded one has the name."""
        named: dict[str, Listed] = {}
        others: list[Listed] = []
        for one in listed:
            name = names.text(one.mailbox, one.separator, utf8=utf8)
            before = named.get(name)
            if before is None:
                named[name] = one
            elif before.mailbox != one.mailbox and name != "INBOX":
                odd = one if before.mailbox.isascii() else before
                named[name] = before if odd is one else one
                others.append(odd)
        for one in others:
            name = names.shown(one.mailbox)
            self._warn(f'two folders are called the same; one is archived as "{name}"')
            named.setdefault(name, one)
        return named


def _is_subscribed(listed: Listed) -> bool:
    return any(name.lower() == "\\subscribed" for name in listed.attributes)


def _special_use(listed: Listed) -> str | None:
    """Pick the special use of a mailbox, spelt as RFC 6154 does: `\\Sent`."""
    for name in sorted(listed.attributes):
        if name.lower() in _SPECIAL:
            return "\\" + name[1:].capitalize()
    return None


def _message_id(header: bytes) -> str | None:
    found = _MESSAGE_ID.search(header)
    return ("".join(text(found[1]).split()) or None) if found else None
