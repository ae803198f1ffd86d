"""The only file that names concrete classes: settings in, doors out.

A kind of account or of store is one line in a registry here; its module is imported when it is used.
"""

import os
import secrets
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from archiver.accounts.daily import DailyLimit
from archiver.archive.archive import Archive, Founding, check_empty, create
from archiver.archive.chain import Chain
from archiver.archive.keys import KeyPair
from archiver.archive.machine import Machine, claim_name
from archiver.catalog.sqlite import SqliteCatalog
from archiver.config import (
    AccountSettings,
    ArchiveSettings,
    cache_folder,
    cache_path,
    state_folder,
    state_path,
)
from archiver.config.exchange import backend_of, endpoint_of
from archiver.errors import ConfigInvalid, NoArchive, ObjectMissing, UsageError
from archiver.formats.root import decode_root, root_key
from archiver.formats.signify import split_embedded
from archiver.model import Secret
from archiver.ports import Account
from archiver.secrets import account_password, notice_password
from archiver.stores.local import LocalStore

if TYPE_CHECKING:
    from archiver.accounts.approach import Approach
    from archiver.accounts.connection import Line, Server
    from archiver.accounts.discovery.offers import Offer, Protocol
    from archiver.accounts.files.account import FilesAccount
    from archiver.accounts.imap.account import ImapAccount
    from archiver.accounts.pop3.account import Pop3Account
    from archiver.config import NotifySettings
    from archiver.notices.herald import Channel, Herald
    from archiver.notices.reports import Reports
    from archiver.ops.schedule import Answer, Scheduler
    from archiver.ports import Source, Target

Warn = Callable[[str], None]


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def open_archive(settings: ArchiveSettings) -> Archive:
    """Open a configured archive. Raises `NoArchive` and whatever a damaged or exchanged one deserves."""
    identity = decode_root(split_embedded(first_root(settings)).message).archive
    claim_name(state_folder(), settings.name, identity)
    return Archive.open(LocalStore(settings.path), Machine(state_folder() / identity))


def first_root(settings: ArchiveSettings) -> bytes:
    """Read the first root of an archive. Raises `NoArchive` where there is none."""
    try:
        return LocalStore(settings.path).get(root_key(1))
    except ObjectMissing:
        raise NoArchive(
            f'there is no archive in "{settings.path}"',
            "is its disk mounted? A new archive is made with: archiver init FOLDER",
        ) from None


def new_archive(
    settings: ArchiveSettings, layout: str, passphrase: Secret, recipients: tuple[str, ...]
) -> tuple[Archive, KeyPair]:
    """Make an archive in an empty folder, with this machine as its first writer."""
    founding = Founding(secrets.token_hex(16), layout, machine_name(), now(), recipients)
    machine = Machine(state_folder() / founding.archive)
    made = create(LocalStore(settings.path), machine, founding, passphrase)
    claim_name(state_folder(), settings.name, founding.archive, anew=True)
    return made


def check_free(settings: ArchiveSettings) -> None:
    """Raise `RefusedForSafety` where an archive cannot be made, since something is there already."""
    check_empty(LocalStore(settings.path))


def open_catalog(archive: Archive, chain: Chain) -> SqliteCatalog:
    """Open the local catalog of a chain, and bring it up to the chain's head."""
    catalog = SqliteCatalog(catalog_path(archive, chain))
    try:
        archive.catch_up(chain, catalog)
    except BaseException:
        catalog.close()
        raise
    return catalog


def catalog_path(archive: Archive, chain: Chain) -> Path:
    """Tell where the local catalog of a chain lies."""
    return cache_folder() / archive.root.archive / f"{chain.name}.sqlite"


def machine_name() -> str:
    """Name this machine as a writer: the host's name, in the letters a root takes."""
    name = "".join(
        letter if letter.isalnum() and letter.isascii() else "-" for letter in socket.gethostname()
    )
    return name.strip("-")[:40] or "machine"


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
    module, _, factory = _ACCOUNTS[settings.kind].partition(":")
    make: Callable[[AccountSettings, Callable[[], Secret], Warn], Account] = getattr(
        import_module(module), factory
    )
    made = warn_of_settings

    def tell(text: str) -> None:
        if made:
            warn(text)

    account = make(settings, password or (lambda: _secret(settings)), tell)
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


def herald(settings: "NotifySettings", warn: Warn) -> "Herald":
    """Make what sends notices, on the ways that are set up."""
    from archiver.notices import channels  # noqa: PLC0415 -- unattended runs need it
    from archiver.notices.herald import Herald  # noqa: PLC0415

    ways: list[Channel] = []
    if settings.mail is not None:
        mail = settings.mail
        login = (mail.user, lambda: notice_password(mail)) if mail.user is not None else None
        server = (mail.host, mail.port, mail.security.value)
        ways.append(channels.Mail(server, mail.ca_file, login, mail.sender, mail.to))
    ways += [channels.Command(settings.command)] if settings.command is not None else []
    ways += [channels.Webhook(settings.webhook)] if settings.webhook is not None else []
    ways += [channels.Ping(settings.ping)] if settings.ping is not None else []
    ways += [channels.TextFile(settings.prometheus_file)] if settings.prometheus_file is not None else []
    return Herald(settings.occasion, ways, state_folder() / "told.json", warn)


def reports() -> "Reports":
    """Open the reports of runs on this machine."""
    from archiver.notices.reports import Reports  # noqa: PLC0415 -- few commands need it

    return Reports(state_folder() / "reports")


def usual_scheduler() -> str:
    """Tell which scheduler this system has."""
    if sys.platform == "darwin":
        return "launchd"
    return "systemd" if shutil.which("systemctl") else "cron"


def scheduler_folder(kind: str, *, system: bool) -> Path | None:
    """Tell where the files of a scheduler lie; None for a user's crontab, which is no file of theirs."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    folders = {
        ("systemd", False): config / "systemd" / "user",
        ("systemd", True): Path("/etc/systemd/system"),
        ("launchd", False): Path("~/Library/LaunchAgents").expanduser(),
        ("launchd", True): Path("/Library/LaunchDaemons"),
        ("cron", True): Path("/etc/cron.d"),
    }
    return folders.get((kind, system))


def scheduler(kind: str, *, system: bool) -> "Scheduler":
    """Open a scheduler of this system: a user's, or the system's own."""
    from archiver.ops.schedule import Cron, CronFile, Launchd, Systemd  # noqa: PLC0415 -- one command needs it

    folder = scheduler_folder(kind, system=system)
    if folder is None:
        return Cron(_ask)
    if kind == "cron":
        return CronFile(folder)
    if kind == "launchd":
        return Launchd(folder, _ask, "system" if system else f"gui/{os.getuid()}")
    return Systemd(folder, _ask, system=system)


def _ask(words: Sequence[str], given: str = "") -> "Answer":
    import subprocess  # noqa: PLC0415 -- few commands need it

    from archiver.ops.schedule import Answer  # noqa: PLC0415

    try:
        ran = subprocess.run(  # noqa: S603 -- words of ours and paths of the user's, no shell
            words,
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        return Answer(127, "", f"{words[0]} is not there", found=False)
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"{words[0]} gave no answer in 60 s")
    out, err = (each.decode("utf-8", "surrogateescape") for each in (ran.stdout, ran.stderr))
    return Answer(ran.returncode, out, err)


def own_folders(*, make: bool) -> tuple[Path, Path]:
    """Give the folders of state and of caches, made at need if `make`."""
    return (state_folder(), cache_folder()) if make else (state_path(), cache_path())


def user_name() -> str:
    """Name the user whose rights this process has."""
    import pwd  # noqa: PLC0415 -- not on every system

    return pwd.getpwuid(os.geteuid()).pw_name


def find_server(address: str, protocol: "Protocol") -> "Offer | None":
    """Find the server of a mail address, by what is known, by its domain, by DNS; None where nobody knows one."""
    from archiver.accounts.discovery.find import fetch, find  # noqa: PLC0415 -- only adding an account needs it
    from archiver.accounts.discovery.srv import Dns  # noqa: PLC0415

    return find(address, protocol, fetch, Dns())


def find_exchange(settings: AccountSettings, address: str, password: Secret) -> str:
    """Find the endpoint of EWS of a mailbox by autodiscover. Raises an `ArchiverError` where there is none."""
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
            return GraphAccount(server, password, warn)
        from archiver.accounts.ews.account import EwsAccount, Wanted  # noqa: PLC0415 -- as above
        from archiver.accounts.ews.transport import Endpoint  # noqa: PLC0415
    wanted = Wanted(exchange.archive_mailbox, exchange.public_folders, exchange.export)
    sign_in, url = "oauth" if settings.oauth is not None else exchange.sign_in, endpoint_of(exchange)
    where = Endpoint(url, settings.user, whose, sign_in, ca_file, settings.timeout_s, program)
    return EwsAccount(where, password, warn, wanted)


_ACCOUNTS = {
    "exchange": "archiver.wiring:make_exchange",
    "files": "archiver.wiring:make_files",
    "imap": "archiver.wiring:make_imap",
    "pop3": "archiver.wiring:make_pop3",
}

_GREETINGS = {
    "imap": "archiver.accounts.imap.login:greet",
    "pop3": "archiver.accounts.pop3.login:greet",
}

_PORTS = {"imap": (993, 143), "pop3": (995, 110)}  # with TLS from the start, and without
