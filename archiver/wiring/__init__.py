"""The only room that names concrete classes: settings in, doors out."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.archive.archive import Archive, Founding, check_empty, create
from archiver.archive.chain import Chain
from archiver.archive.keys import KeyPair
from archiver.archive.machine import Machine, claim_name
from archiver.catalog.readings import SqliteReadings
from archiver.catalog.sqlite import SqliteCatalog
from archiver.config import (
    ArchiveSettings,
    cache_folder,
    cache_path,
    state_folder,
    state_path,
)
from archiver.errors import NoArchive, ObjectMissing
from archiver.formats.root import decode_root, root_key
from archiver.formats.signify import split_embedded
from archiver.model import Secret
from archiver.secrets import notice_password, passphrase_is_kept
from archiver.stores.local import LocalStore
from archiver.wiring.accounts import (
    Warn,
    approach,
    daily_limit,
    find_exchange,
    find_server,
    forget_sign_in,
    fresh_token,
    open_account,
    open_source,
    open_target,
)
from archiver.wiring.system import (
    is_root,
    machine_name,
    scheduler,
    scheduler_folder,
    schedulers,
    user_name,
    usual_scheduler,
    yield_disk,
)

if TYPE_CHECKING:
    from archiver.config import NotifySettings
    from archiver.notices.herald import Channel, Herald
    from archiver.notices.last_pulls import LastPulls
    from archiver.notices.reports import Reports

__all__ = [
    "approach",
    "catalog_path",
    "check_free",
    "daily_limit",
    "find_exchange",
    "find_server",
    "first_root",
    "forget_sign_in",
    "fresh_token",
    "herald",
    "is_root",
    "keyring_opens",
    "last_pulls",
    "machine_name",
    "new_archive",
    "now",
    "open_account",
    "open_archive",
    "open_catalog",
    "open_source",
    "open_target",
    "own_folders",
    "readings",
    "reports",
    "scheduler",
    "scheduler_folder",
    "schedulers",
    "user_name",
    "usual_scheduler",
    "yield_disk",
]


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


def keyring_opens(settings: ArchiveSettings) -> bool:
    """Tell whether the keyring keeps the passphrase of an archive. Raises `NoArchive` where there is none."""
    return passphrase_is_kept(decode_root(split_embedded(first_root(settings)).message).archive)


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


def readings(archive: Archive, chain: Chain) -> SqliteReadings:
    """Open what this machine remembers of when the objects of a chain were read."""
    return SqliteReadings(cache_folder() / archive.root.archive / f"{chain.name}.readings")


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
    remind = timedelta(days=settings.remind_after_days) if settings.remind_after_days else None
    return Herald(settings.occasion, ways, state_folder() / "told.json", warn, remind)


def reports() -> "Reports":
    """Open the reports of runs on this machine."""
    from archiver.notices.reports import Reports  # noqa: PLC0415 -- few commands need it

    return Reports(state_folder() / "reports")


def last_pulls() -> "LastPulls":
    """Open what this machine remembers of the last pull of each account that ended well."""
    from archiver.notices.last_pulls import LastPulls  # noqa: PLC0415 -- as above

    return LastPulls(state_folder() / "pulled.json")


def own_folders(*, make: bool) -> tuple[Path, Path]:
    """Give the folders of state and of caches, made at need if `make`."""
    return (state_folder(), cache_folder()) if make else (state_path(), cache_path())
