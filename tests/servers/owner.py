"""The owner of a mailbox on a real server, who changes it behind archiver's back, by imaplib and doveadm."""

import imaplib
import re
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from archiver.accounts.connection import Server
from archiver.accounts.imap import names
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.pop3.account import Pop3Account
from archiver.model import Secret
from tests.servers.dovecot import Dovecot


class Owner:
    """One user's mailbox on a Dovecot; `account` opens archiver's view of it."""

    def __init__(self, server: Dovecot, user: str) -> None:
        self.server = server
        self.user = user
        self._line = imaplib.IMAP4("127.0.0.1", server.imap)
        self._line.login(user, server.password)

    def account(self) -> ImapAccount:
        """Open an account on it, over TLS."""
        where = Server("localhost", self.server.imaps, "tls", self.server.ca_file, 20)
        return ImapAccount(where, self.user, lambda: Secret(self.server.password))

    def close(self) -> None:
        """Log out."""
        self._line.logout()

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        """Append a message and give its UID."""
        date = f'"{received:%d-%b-%Y %H:%M:%S %z}"' if received else ""
        answer = self._do("append", self._name(folder), f"({' '.join(flags)})", date, raw)
        found = re.search(rb"APPENDUID \d+ (\d+)", answer[0])
        assert found, answer
        return found[1].decode()

    def uidvalidity(self, folder: str) -> int:
        """Tell the UIDVALIDITY of a folder."""
        found = re.search(rb"UIDVALIDITY (\d+)", self._do("status", self._name(folder), "(UIDVALIDITY)")[0])
        assert found
        return int(found[1])

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        """Store exactly these flags."""
        self._do("select", self._name(folder))
        self._do("uid", "STORE", key, "FLAGS.SILENT", f"({' '.join(flags)})")

    def expunge(self, folder: str, *keys: str) -> None:
        """Expunge messages for good."""
        self._do("select", self._name(folder))
        self._do("uid", "STORE", ",".join(keys), "+FLAGS.SILENT", "(\\Deleted)")
        self._do("uid", "EXPUNGE", ",".join(keys))

    def move(self, folder: str, key: str, to: str) -> str:
        """Move a message to another folder (RFC 6851), and give its UID there."""
        self._do("select", self._name(folder))
        self._do("uid", "MOVE", key, self._name(to))
        found: bytes = self._line.response("COPYUID")[1][0]
        return found.split()[2].decode()

    def create(self, folder: str) -> None:
        """Make a folder."""
        self._do("create", self._name(folder))

    def rename(self, old: str, new: str) -> None:
        """Rename a folder."""
        self._do("unselect")
        self._do("rename", self._name(old), self._name(new))

    def delete(self, folder: str) -> None:
        """Remove a folder."""
        self._do("unselect")
        self._do("delete", self._name(folder))

    def renumber(self, folder: str, uidvalidity: int = 77) -> None:
        """Change the UIDVALIDITY of a folder."""
        words: Sequence[str] = (
            *("mailbox", "update", "-u", self.user, "--uid-validity", str(uidvalidity)),
            folder,
        )
        self.server.doveadm(*words)

    def allow(self, folder: str, rights: str) -> None:
        """Leave the user only these rights in a folder (RFC 4314), where the server keeps rights."""
        self._do("setacl", self._name(folder), self.user, rights)

    def folders(self) -> list[str]:
        """List the folders."""
        listed = (re.search(rb'\) "." "?(.*?)"?$', line) for line in self._do("list", '""', "*") if line)
        found = [names.text(one[1], self.server.separator) for one in listed if one]
        return ["INBOX", *sorted(name for name in found if name != "INBOX")]

    def read(self, folder: str) -> tuple[str, list[tuple[str, frozenset[str], datetime, bytes]]]:
        """Read all of a folder, without changing it: UIDVALIDITY; UID, flags, date and bytes of each message."""
        self._do("select", self._name(folder), True)
        epoch = self._line.response("UIDVALIDITY")[1][0]
        exists = self._line.response("EXISTS")[1]
        found: list[tuple[str, frozenset[str], datetime, bytes]] = []
        fetched = self._do("uid", "FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])") if exists else []
        for item in fetched:
            if isinstance(item, tuple):
                told, raw = item
                uid, flags = re.search(rb"UID (\d+)", told), re.search(rb"FLAGS \((.*?)\)", told)
                at = re.search(rb'INTERNALDATE "(.*?)"', told)
                assert uid and flags and at, told
                kept = frozenset(flags[1].decode().split()) - {"\\Recent"}
                date = datetime.strptime(at[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
                found.append((uid[1].decode(), kept, date, raw))
        return epoch.decode(), found

    def wait_until_alone(self) -> None:
        """Wait until no other session works on this mailbox: what a process that died had sent may still be done."""
        until = time.monotonic() + 20
        while len(self.server.doveadm("who", "-1", self.user).splitlines()) > 2:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.user} is not alone")
            time.sleep(0.01)

    def _name(self, folder: str) -> str:
        return '"' + names.mailbox(folder, self.server.separator).decode() + '"'

    def _do(self, verb: str, *arguments: object) -> list[bytes]:
        if verb == "unselect" and self._line.state != "SELECTED":
            return []
        kind, answer = getattr(self._line, verb)(*arguments)
        assert kind == "OK", (verb, answer)
        return list(answer)


class Pop3Owner:
    """One user's INBOX on a Dovecot with POP3, changed by IMAP; `account` opens archiver's view of it by POP3."""

    def __init__(self, server: Dovecot, user: str) -> None:
        self._owner = Owner(server, user)

    def account(self) -> Pop3Account:
        """Open an account on it, over TLS."""
        server = self._owner.server
        where = Server("localhost", server.pop3s, "tls", server.ca_file, 20)
        return Pop3Account(where, self._owner.user, lambda: Secret(server.password))

    def close(self) -> None:
        """Log out."""
        self._owner.close()

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        """Append a message and give its key: Dovecot's ids are UID and UIDVALIDITY in hexadecimal."""
        uid = int(self._owner.deliver(folder, raw, flags, received))
        return f"{uid:08x}{self._owner.uidvalidity(folder):08x}:{len(raw)}"

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        """Store exactly these flags."""
        self._owner.flag(folder, _uid(key), flags)

    def expunge(self, folder: str, *keys: str) -> None:
        """Expunge messages for good."""
        self._owner.expunge(folder, *map(_uid, keys))

    def create(self, folder: str) -> None:
        """Make a folder."""
        self._owner.create(folder)

    def rename(self, old: str, new: str) -> None:
        """Rename a folder."""
        self._owner.rename(old, new)

    def delete(self, folder: str) -> None:
        """Remove a folder."""
        self._owner.delete(folder)

    def renumber(self, folder: str) -> None:
        """Change the UIDVALIDITY of a folder."""
        self._owner.renumber(folder)


def _uid(key: str) -> str:
    return str(int(key[:8], 16))
