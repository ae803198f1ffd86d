"""A small POP3 server that misbehaves on order: one mailbox, loopback, in the clear, a thread a client.

It plays the servers of the field that no package installs: what each attribute does is what some server did.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

Answer: TypeAlias = "bytes | Callable[[re.Match[bytes]], bytes | None]"


@dataclass(eq=False)
class Mail:
    """A message; `uidl` is what UIDL says of it (None: no row at all), `size` what LIST claims (-1: no row)."""

    raw: bytes
    uidl: bytes | None = b""
    size: int | None = None


class _Dropped(Exception):
    pass


@dataclass
class Pop3Double:
    """The server. Start it as a context manager; `port` is where it listens, `seen` the commands it got."""

    mails: list[Mail] = field(default_factory=list)
    capabilities: str | None = "PIPELINING|UIDL|TOP|USER|SASL PLAIN XOAUTH2"
    """What CAPA says, with bars between the lines; None if it does not know the question."""
    greeting: bytes = b"+OK ready\r\n"
    uidl: bool = True
    stuffs: bool = True
    ends: bytes = b"\r\n.\r\n"
    """What stands behind a message whose last line end was taken away."""
    line_end: bytes = b"\r\n"
    refused: set[bytes] = field(default_factory=set)
    """The ids of messages that RETR refuses."""
    drops: dict[bytes, int] = field(default_factory=dict)
    """Id -> how many times the line drops in the middle of it."""
    reads_delete: bool = False
    """Whether QUIT deletes what was read, as with EXPIRE 0."""
    answers: list[tuple[bytes, Answer]] = field(default_factory=list)
    """Patterns of commands and what is answered in place of the usual; the first that matches and does not give None
    wins. `DROP` drops the line, an empty answer leaves the client waiting."""
    seen: list[bytes] = field(default_factory=list)
    logins: int = 0
    quits: int = 0
    most_ahead: int = 0
    """The most commands that came before the answer to the first of them went out."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)

    def commands(self, pattern: bytes) -> list[bytes]:
        """Give the commands that match."""
        return [line for line in self.seen if re.match(pattern, line, re.IGNORECASE)]

    # --- serving ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients.append(client)
            thread = threading.Thread(target=self._client, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _client(self, client: socket.socket) -> None:
        session = _Session(self, client)
        waiting = b""
        with client, contextlib.suppress(OSError, _Dropped):
            client.sendall(self.greeting)
            while True:
                piece = client.recv(65536)
                if not piece:
                    return
                *lines, waiting = (waiting + piece).split(b"\r\n")
                self.most_ahead = max(self.most_ahead, len(lines))
                for line in lines:
                    self.seen.append(line)
                    client.sendall(self._scripted(line) or session.answer(line))
                    if line.upper() == b"QUIT":
                        return

    def _scripted(self, line: bytes) -> bytes | None:
        for pattern, answer in self.answers:
            found = re.match(pattern, line, re.IGNORECASE)
            said = (answer(found) if callable(answer) else answer) if found else None
            if said == b"DROP":
                raise _Dropped
            if said == b"":
                threading.Event().wait(2)
                raise _Dropped
            if said is not None:
                return said
        return None


class _Session:
    """One client's view: messages by number, as they were at its login."""

    def __init__(self, double: Pop3Double, client: socket.socket) -> None:
        self._double = double
        self._client = client
        self._mails: list[Mail] = []
        self._marked: set[int] = set()
        self._read: set[int] = set()
        self._asks = False

    def answer(self, line: bytes) -> bytes:
        """Answer a command as the RFC says."""
        if self._asks:
            self._asks = False
            return self._in()
        words = line.split()
        verb = words[0].upper().decode() if words else ""
        do = getattr(self, f"_do_{verb.lower()}", None)
        return do(words) if do else b"-ERR unknown command\r\n"

    def _in(self) -> bytes:
        self._mails = list(self._double.mails)
        self._double.logins += 1
        return b"+OK in\r\n"

    def _do_capa(self, words: list[bytes]) -> bytes:
        told = self._double.capabilities
        if told is None:
            return b"-ERR unknown command\r\n"
        return "+OK\r\n{}.\r\n".format("".join(f"{row}\r\n" for row in told.split("|"))).encode()

    def _do_user(self, words: list[bytes]) -> bytes:
        return b"+OK\r\n"

    def _do_pass(self, words: list[bytes]) -> bytes:
        return self._in()

    def _do_auth(self, words: list[bytes]) -> bytes:
        self._asks = True
        return b"+ \r\n"

    def _do_noop(self, words: list[bytes]) -> bytes:
        return b"+OK\r\n"

    def _do_stat(self, words: list[bytes]) -> bytes:
        return b"+OK %d %d\r\n" % (len(self._mails), sum(len(mail.raw) for mail in self._mails))

    def _do_list(self, words: list[bytes]) -> bytes:
        rows = [
            b"%d %d\r\n" % (number, len(mail.raw) if mail.size is None else mail.size)
            for number, mail in enumerate(self._mails, 1)
            if mail.size != -1
        ]
        return b"+OK\r\n" + b"".join(rows) + b".\r\n"

    def _do_uidl(self, words: list[bytes]) -> bytes:
        if not self._double.uidl:
            return b"-ERR unknown command\r\n"
        rows = [
            b"%d %s\r\n" % (number, mail.uidl)
            for number, mail in enumerate(self._mails, 1)
            if mail.uidl is not None
        ]
        return b"+OK\r\n" + b"".join(rows) + b".\r\n"

    def _do_retr(self, words: list[bytes]) -> bytes:
        number = int(words[1])
        mail, double = self._mails[number - 1], self._double
        name = mail.uidl or b""
        if name in double.refused:
            return b"-ERR message is corrupt\r\n"
        if double.drops.get(name, 0) > 0:
            double.drops[name] -= 1
            self._client.sendall(b"+OK\r\n" + mail.raw[: len(mail.raw) // 2])
            raise _Dropped
        self._read.add(number)
        return b"+OK %d octets" % len(mail.raw) + double.line_end + self._sent(mail.raw)

    def _sent(self, raw: bytes) -> bytes:
        double = self._double
        end = double.line_end
        if double.stuffs:
            raw = (b"." if raw.startswith(b".") else b"") + raw.replace(end + b".", end + b"..")
        if double.ends != b"\r\n.\r\n":
            return raw.removesuffix(b"\r\n") + double.ends
        return raw + (b"" if not raw or raw.endswith(end) else end) + b"." + end

    def _do_top(self, words: list[bytes]) -> bytes:
        raw = self._mails[int(words[1]) - 1].raw
        head, blank, _ = raw.partition(b"\r\n\r\n")
        return b"+OK\r\n" + head + blank + b".\r\n"

    def _do_dele(self, words: list[bytes]) -> bytes:
        self._marked.add(int(words[1]))
        return b"+OK marked\r\n"

    def _do_rset(self, words: list[bytes]) -> bytes:
        self._marked.clear()
        return b"+OK\r\n"

    def _do_quit(self, words: list[bytes]) -> bytes:
        double = self._double
        double.quits += 1
        for number in self._marked | (self._read if double.reads_delete else set()):
            mail = self._mails[number - 1]
            if mail in double.mails:
                double.mails.remove(mail)
        return b"+OK bye\r\n"
