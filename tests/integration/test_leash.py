"""A line that another thread cuts ends its waiting at once, wherever it waits, and nobody blames the server."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from archiver.accounts.connection import Server, connect
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.leash import Leash
from archiver.accounts.pop3.account import Pop3Account
from archiver.errors import Interrupted
from archiver.model import Secret
from archiver.ports import CanBeCut

AT_ONCE_S = 5.0  # where the timeout of the line is a minute


def ends_cut(work: Callable[[], object], cut: Callable[[], None], waiting: Callable[[], None]) -> None:
    """Cut while `work` waits; it must end with `Interrupted`, at once."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001, RUF100 -- whatever it is, it is looked at
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    waiting()
    assert not raised
    began = time.monotonic()
    cut()
    thread.join(30)
    assert time.monotonic() - began < AT_ONCE_S
    assert [type(error) for error in raised] == [Interrupted]


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Give a listener that says nothing to whom it lets in."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize("security", ["plaintext", "tls"])
@pytest.mark.parametrize("kind", [ImapAccount, Pop3Account])
def test_a_server_that_says_nothing(
    silent: socket.socket, kind: Callable[..., ImapAccount | Pop3Account], security: str
) -> None:
    where = Server("127.0.0.1", silent.getsockname()[1], security)  # type: ignore[arg-type]
    account = kind(where, "ann", lambda: Secret("x"), lambda _: None)
    assert isinstance(account, CanBeCut)
    lines: list[socket.socket] = []

    def waiting() -> None:
        lines.append(silent.accept()[0])
        if security == "tls":
            assert lines[0].recv(1), "the handshake has begun"
        time.sleep(0.2)

    ends_cut(account.folders, account.cut, waiting)
    with pytest.raises(Interrupted):
        account.folders()  # no new line is opened
    account.close()
    lines[0].close()


def test_a_server_that_does_not_even_let_in() -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # from then on nobody is answered
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        leash = Leash()
        where = Server("127.0.0.1", full.getsockname()[1], "plaintext", leash=leash)
        ends_cut(lambda: connect(where), leash.cut, lambda: time.sleep(0.5))


def test_who_waits_to_try_again() -> None:
    leash = Leash()
    ends_cut(lambda: leash.pause(60), leash.cut, lambda: time.sleep(0.1))
