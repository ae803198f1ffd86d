"""Which class serves which kind of account.

A kind is one line in a registry here, and a function that imports its module when it is used.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, cast

from archiver.accounts.daily import DailyLimit
from archiver.accounts.intents import Intents
from archiver.config import AccountSettings, state_folder
from archiver.config.exchange import backend_of, endpoint_of
from archiver.config.places import private_folder
from archiver.config.settings import AccountKind
from archiver.errors import ConfigInvalid, UsageError
from archiver.model import Secret
from archiver.ports import Account
from archiver.secrets import account_password

if TYPE_CHECKING:
    from archiver.accounts.approach import Approach
    from archiver.accounts.connection import Line, Server
    from archiver.accounts.discovery.offers import Offer, Protocol
    from archiver.accounts.files.account import FilesAccount
    from archiver.accounts.imap.account import ImapAccount
    from archiver.accounts.pop3.account import Pop3Account
    from archiver.ports import Source, Target

Warn = Callable[[str], None]


def open_account(
    settings: AccountSettings,
    warn: Warn,
    password: Callable[[], Secret] | None = None,
    *,
    warn_of_settings: bool = False,
) -> Account:
    """Make the account; it connects, and asks for its password, on first use.

    What it warns of while it is made is about its settings: told where these are made, not at each use.
    """
    made = warn_of_settings

    def tell(text: str) -> None:
        if made:
            warn(text)

    account = _ACCOUNTS[settings.kind](settings, password or (lambda: _secret(settings)), tell)
    made = True
    return account


def _secret(settings: AccountSettings) -> Secret:
    """Get what an account logs in with: a token where it signs in by OAuth, else its password."""
    if settings.oauth is None:
        return account_password(settings)
    from archiver import tokens  # noqa: PLC0415 -- most accounts have a password

    return tokens.access_token(settings)


def fresh_token(settings: AccountSettings) -> Secret:
    """Renew the sign-in of an account, and give the new access token. Raises as `tokens.access_token`."""
    from archiver import tokens  # noqa: PLC0415 -- as above

    return tokens.access_token(settings, anew=True)


def forget_sign_in(account: str) -> None:
    """Forget the sign-in of an account, if it has one."""
    from archiver import tokens  # noqa: PLC0415 -- as above

    tokens.forget(account)


def daily_limit(settings: AccountSettings) -> DailyLimit | None:
    """Open the count of what was downloaded today, for an account that has a limit."""
    if settings.daily_download_limit is None:
        return None
    return DailyLimit(state_folder() / "downloads" / f"{settings.name}.json", settings.daily_download_limit)


def find_server(address: str, protocol: "Protocol") -> "Offer | None":
    """Find the server of a mail address, by what is known, by its domain, by DNS; None where nobody knows one."""
    from archiver.accounts.discovery.find import fetch, find  # noqa: PLC0415 -- only adding an account needs it
    from archiver.accounts.discovery.srv import Dns  # noqa: PLC0415

    return find(address, protocol, fetch, Dns())


def find_exchange(settings: AccountSettings, address: str, password: Secret | None) -> str:
    """Find the endpoint of EWS of a mailbox by autodiscover; without a password, by a ticket of Kerberos.

    Raises an `ArchiverError` where there is none.
    """
    with _installed(settings):
        from archiver.accounts.ews.discover import discover  # noqa: PLC0415 -- only adding an account needs it
    return discover(address, settings.user, password, _ca_file(settings))


@contextmanager
def _installed(settings: AccountSettings) -> Iterator[None]:
    """Say what to install where a library of an extra is missing."""
    try:
        yield
    except ImportError as error:
        text = f'what account "{settings.name}" speaks to Exchange with is not installed: {error.name}'
        raise ConfigInvalid(text, "install it: pip install 'archiver[exchange]'") from error


def open_target(settings: AccountSettings, warn: Warn) -> "Target":
    """Make an account that takes mail. Raises `UsageError` for a kind that takes none."""
    account = open_account(settings, warn)
    if not all(
        hasattr(account, power)
        for power in ("home", "takes", "make_folder", "keeps_labels", "append", "keep_flags")
    ):
        raise UsageError(f'account "{settings.name}" takes no mail: it is of kind "{settings.kind}"')
    return cast("Target", account)


def open_source(settings: AccountSettings, warn: Warn) -> "Source":
    """Make an account that mail can be taken out of. Raises `UsageError` for a kind that gives none."""
    account = open_account(settings, warn)
    if not all(hasattr(account, power) for power in ("trash", "look", "remove")):
        raise UsageError(
            f'nothing can be pruned from account "{settings.name}": it is of kind "{settings.kind}"'
        )
    return cast("Source", account)


def approach(settings: AccountSettings) -> "Approach | None":
    """Make the steps that lead to an account's server; None for an account that has none."""
    if settings.kind not in _GREETINGS:
        return None
    from archiver.accounts.approach import Approach  # noqa: PLC0415 -- few commands need it

    module, _, name = _GREETINGS[settings.kind].partition(":")
    greet: Callable[[Server], Line] = getattr(import_module(module), name)
    return Approach(_server(settings), greet)


def make_imap(settings: AccountSettings, password: Callable[[], Secret], warn: Warn) -> "ImapAccount":
    """Make an account of kind `imap`."""
    from archiver.accounts.imap.account import ImapAccount  # noqa: PLC0415 -- few commands need it

    return ImapAccount(_server(settings), settings.user, password, warn)


def make_pop3(settings: AccountSettings, password: Callable[[], Secret], warn: Warn) -> "Pop3Account":
    """Make an account of kind `pop3`."""
    from archiver.accounts.pop3.account import Pop3Account  # noqa: PLC0415 -- few commands need it

    return Pop3Account(_server(settings), settings.user, password, warn)


def _server(settings: AccountSettings) -> "Server":
    from archiver.accounts.connection import Server  # noqa: PLC0415

    tls, clear = _PORTS[settings.kind]
    return Server(
        host=settings.host,
        port=settings.port or (tls if settings.security == "tls" else clear),
        security=settings.security.value,
        ca_file=_ca_file(settings),
        timeout_s=settings.timeout_s,
    )


def _ca_file(settings: AccountSettings) -> str | None:
    return str(settings.ca_file) if settings.ca_file else None


def make_files(settings: AccountSettings, password: Callable[[], Secret], warn: Warn) -> "FilesAccount":
    """Make an account of kind `files`."""
    from archiver.accounts.files.account import FilesAccount  # noqa: PLC0415 -- few commands need it

    assert settings.path is not None
    return FilesAccount(settings.path, warn, settings.form)


def make_exchange(settings: AccountSettings, password: Callable[[], Secret], warn: Warn) -> Account:
    """Make an account of kind `exchange`, by the backend that is right for its server."""
    exchange, ca_file = settings.exchange, _ca_file(settings)
    assert exchange is not None
    program = settings.oauth is not None and settings.oauth.client_certificate_file is not None
    whose = exchange.mailbox or (settings.user if program else None)  # a program has no mailbox
    with _installed(settings):
        if backend_of(exchange) == "graph":
            from archiver.accounts.graph.account import GraphAccount  # noqa: PLC0415 -- few accounts need it
            from archiver.accounts.graph.web import HOST, GraphServer  # noqa: PLC0415

            url = exchange.url if exchange.backend == "graph" and exchange.url else HOST
            server = GraphServer(whose, url, ca_file, settings.timeout_s, exchange.export)
            return GraphAccount(server, password, warn, intents=_intents(settings, warn))
        from archiver.accounts.ews.account import EwsAccount, Wanted  # noqa: PLC0415 -- as above
        from archiver.accounts.ews.transport import Endpoint  # noqa: PLC0415
    wanted = Wanted(exchange.archive_mailbox, exchange.public_folders, exchange.export)
    sign_in, url = "oauth" if settings.oauth is not None else exchange.sign_in, endpoint_of(exchange)
    where = Endpoint(url, settings.user, whose, sign_in, ca_file, settings.timeout_s, program)
    return EwsAccount(where, password, warn, wanted, intents=_intents(settings, warn))


def _intents(settings: AccountSettings, warn: Warn) -> Intents:
    """Note what is put in below the state folder; it is made when the first is."""
    return Intents(lambda: private_folder(private_folder(state_folder() / "intents") / settings.name), warn)


_ACCOUNTS: Mapping[AccountKind, Callable[[AccountSettings, Callable[[], Secret], Warn], Account]] = {
    "exchange": make_exchange,
    "files": make_files,
    "imap": make_imap,
    "pop3": make_pop3,
}


_GREETINGS = {
    "imap": "archiver.accounts.imap.login:greet",
    "pop3": "archiver.accounts.pop3.login:greet",
}


_PORTS = {"imap": (993, 143), "pop3": (995, 110)}  # with TLS from the start, and without
