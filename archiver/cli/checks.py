"""What doctor looks at: this machine, each archive, each account; each check small, and no failure ends the others.

A check that rests on one that failed is left out: its failure would tell nothing new.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from secrets import token_hex

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.catalog.glance import glance
from archiver.catalog.sqlite import look_at
from archiver.cli.alerts import last_runs, space_of
from archiver.cli.output import number
from archiver.cli.schedule_check import check_schedule
from archiver.cli.session import Session
from archiver.cli.sign_in import outlooks
from archiver.config import AccountSettings, ArchiveSettings, Settings, cache_folder, state_folder
from archiver.errors import ArchiverError, ConfigInvalid, Interrupted, StoreFailed
from archiver.ops.doctor import probe_key, probe_store
from archiver.plan.alerts import judge_last_run
from archiver.plan.doctor import (
    Check,
    Rights,
    State,
    doubted,
    failed,
    judge_certificate,
    judge_clock,
    judge_key_age,
    judge_limit,
    judge_rights,
    judge_sign_in,
    judge_space,
    passed,
)
from archiver.ports import Account, Describes

_HERE = "this machine"


def examine(
    session: Session, name: str | None, passphrase_command: str | None, *, with_key: bool
) -> Iterator[Check]:
    """Check everything, or what concerns the account or the archive of this name."""
    yield _tried("configuration", _HERE, lambda: _configuration(session))
    yield from _machine(session)
    try:
        settings = session.settings
    except ConfigInvalid:
        return  # told above
    archives, accounts = _meant(settings, name)
    for archive in archives:
        yield from _archive(session, archive, passphrase_command, with_key=with_key)
    for account in accounts:
        yield _tried("last-run", account.name, partial(_last_run, session, account.name))
        yield from _account(account)


def _meant(settings: Settings, name: str | None) -> tuple[list[ArchiveSettings], list[AccountSettings]]:
    if name is None:
        return list(settings.archives.values()), list(settings.accounts.values())
    if name in settings.archives and name not in settings.accounts:
        filling = [each for each in settings.accounts.values() if each.archive == name]
        return [settings.archive(name)], filling
    account = settings.account(name)
    return [settings.archive(account.archive)], [account]


def _tried(name: str, about: str, check: Callable[[], Check]) -> Check:
    """Do a check; what it raises is its failure."""
    try:
        return check()
    except Interrupted:
        raise
    except ArchiverError as error:
        return failed(name, about, error)
    except sqlite3.Error as error:
        text = f"the local catalog cannot be read: {error}"
        return failed(name, about, StoreFailed(text, "check the disk of the cache folder"))
    except OSError as error:
        text = f'"{error.filename}" cannot be read: {error.strerror}'
        return failed(name, about, StoreFailed(text, "check its path, its rights, and its disk"))


# --- this machine -----------------------------------------------------------------------------------------


def _machine(session: Session) -> Iterator[Check]:
    """Check what is of this machine alone."""
    if session.config.exists():
        yield _rights("configuration rights", _HERE, lambda: session.config, secret=False)
    yield _rights("state rights", _HERE, state_folder, secret=True)
    yield _rights("cache rights", _HERE, cache_folder, secret=True)
    yield _tried("schedule", _HERE, lambda: check_schedule(_HERE))


def _configuration(session: Session) -> Check:
    settings = session.settings
    if not settings.archives:
        return doubted("configuration", _HERE, f'"{session.config}" names no archive', "archiver init FOLDER")
    if not settings.accounts:
        text = f'"{session.config}" names no account'
        return doubted("configuration", _HERE, text, "archiver account add NAME")
    what = f"{number(len(settings.archives), 'archive')}, {number(len(settings.accounts), 'account')}"
    return passed("configuration", _HERE, f'"{session.config}": {what}')


def _rights(name: str, about: str, find: Callable[[], Path], *, secret: bool) -> Check:
    def check() -> Check:
        path = find()
        found = path.stat()
        if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
            raise StoreFailed(f'"{path}" may not be written', f"chmod u+rwx '{path}'")
        return judge_rights(
            name, about, Rights(str(path), found.st_mode, found.st_uid), os.geteuid(), secret=secret
        )

    return _tried(name, about, check)


# --- an archive -------------------------------------------------------------------------------------------


def _archive(
    session: Session, settings: ArchiveSettings, passphrase_command: str | None, *, with_key: bool
) -> Iterator[Check]:
    about = settings.name
    there = _tried("archive", about, lambda: _there(settings))
    yield there
    if there.state is State.FAIL:
        return
    yield _tried("space", about, lambda: judge_space(about, str(settings.path), space_of(settings.path)))
    root = _tried("root", about, lambda: _root(session, settings))
    yield root
    if root.state is State.FAIL:
        return
    archive = session.archive(settings)
    yield _tried("writer", about, lambda: _writer(archive, about))
    try:
        owners = {chain: _account_of(archive, chain) for chain in archive.chains()}
    except ArchiverError as error:
        yield failed("pins", about, error)
        return
    own = [chain for chain, account in owners.items() if account]
    yield _tried("store", about, lambda: _store(archive, about, own[0] if own else None))
    for chain, account in owners.items():
        pins = _tried("pins", about, partial(_pins, archive, about, chain, account))
        yield pins
        if chain in own and pins.state is State.OK:
            yield _tried("catalog", about, partial(_catalog, archive, about, chain))
    yield _tried("clock", about, lambda: _clock(archive, about))
    if with_key:
        yield _tried("owner-key", about, lambda: _key(session, settings, passphrase_command))
    else:
        yield _tried("owner-key", about, lambda: judge_key_age(about, archive.owner_tried(), wiring.now()))


def _there(settings: ArchiveSettings) -> Check:
    wiring.first_root(settings)
    return passed("archive", settings.name, f'it is in "{settings.path}"')


def _root(session: Session, settings: ArchiveSettings) -> Check:
    root = session.archive(settings).root
    what = f"root {root.number}, layout {root.layout}, {number(len(root.writers), 'writer')}"
    return passed("root", settings.name, f"{what}; as this machine has seen it before")


def _writer(archive: Archive, about: str) -> Check:
    archive.check_writer()
    return passed("writer", about, "this machine may write")


def _account_of(archive: Archive, chain: str) -> str | None:
    try:
        return archive.account_of(chain)
    except ArchiverError:
        return None  # what is wrong with the chain is told where its pins are looked at


def _store(archive: Archive, about: str, chain: str | None) -> Check:
    probe_store(archive.store, probe_key(chain, token_hex(4)))
    return passed("store", about, "an object was written, read and removed")


def _pins(archive: Archive, about: str, chain: str, account: str | None) -> Check:
    head = archive.chain(chain).head()
    what = f'chain {chain} of account "{account}"' if account else f"chain {chain} of another machine"
    return passed(
        "pins", about, f"{what} holds all that this machine has seen; head {head.seq} {head.sha256[:16]}"
    )


def _catalog(archive: Archive, about: str, chain: str) -> Check:
    path = wiring.catalog_path(archive, archive.chain(chain))
    wrong = look_at(path)
    if wrong is not None:
        text = f"the local catalog of chain {chain} {wrong}"
        return doubted("catalog", about, text, "nothing is lost: the next command makes it anew")
    head, seen = archive.chain(chain).head(), glance(path).head
    if seen != head:
        text = f"the local catalog of chain {chain} is at run {seen.seq} of {head.seq}"
        return doubted("catalog", about, text, "the next command brings it up")
    return passed("catalog", about, f"the local catalog of chain {chain} is at the head")


def _clock(archive: Archive, about: str) -> Check:
    runs: list[datetime] = []
    received: list[datetime] = []
    for name in archive.chains():
        chain = archive.chain(name)
        try:
            last, path = chain.last(), wiring.catalog_path(archive, chain)
            newest = glance(path, with_newest=True).newest if path.exists() else None
        except (ArchiverError, sqlite3.Error):
            continue  # told by the checks before
        runs.extend([last.time] if last else [])
        received.extend([newest] if newest else [])
    return judge_clock(about, wiring.now(), max(runs, default=None), max(received, default=None))


def _key(session: Session, settings: ArchiveSettings, passphrase_command: str | None) -> Check:
    session.unlock(settings, passphrase_command)
    return passed("owner-key", settings.name, "the owner key opens")


# --- an account -------------------------------------------------------------------------------------------


def _last_run(session: Session, account: str) -> Check:
    wiring.last_pulls()  # raises where the state folder is not what it has to be
    last, days = last_runs(session, [account]).get(account), session.settings.warn.overdue_days
    return judge_last_run(account, last, wiring.now(), days)


def _account(settings: AccountSettings) -> Iterator[Check]:
    about = settings.name
    for path in _password_files(settings):
        yield _rights("password file", about, partial(Path, path), secret=True)
    if settings.daily_download_limit is not None:
        yield _tried("limit", about, lambda: _limit(settings, about))
    sound = True
    for check in _way(settings):
        yield check
        sound = sound and check.state is not State.FAIL
    if sound:
        yield from _mailbox(settings)


def _limit(settings: AccountSettings, about: str) -> Check:
    limit = wiring.daily_limit(settings)
    assert limit is not None
    return judge_limit(about, limit.left(), limit.limit)


def _password_files(settings: AccountSettings) -> list[Path]:
    secret = settings.oauth.client_secret_file if settings.oauth else None
    certificate = settings.oauth.client_certificate_file if settings.oauth else None
    return [path for path in (settings.password_file, secret, certificate) if path is not None]


def _way(settings: AccountSettings) -> Iterator[Check]:
    """Go to the server, step by step, up to the login."""
    about = settings.name
    outlook = outlooks([settings]).get(about)
    if outlook is not None:
        yield _tried("sign-in", about, lambda: judge_sign_in(about, outlook))
    way = wiring.approach(settings)
    if way is None:
        return
    where = f'"{way.server.host}:{way.server.port}"'

    def resolve() -> Check:
        return passed("name", about, f'"{way.server.host}" is {", ".join(way.addresses())}')

    def reach() -> Check:
        way.reach()
        return passed("connect", about, f"{where} answers")

    def secure() -> Check:
        until = way.certificate_until()
        if until is None:
            text = f'nothing protects the line to "{way.server.host}": others can read the password'
            hint = f"take insecure-plaintext out of [account.{about}], if the server has TLS"
            return doubted("tls", about, text, hint)
        return judge_certificate(about, way.server.host, until, wiring.now())

    for name, step in (("name", resolve), ("connect", reach), ("tls", secure)):
        check = _tried(name, about, step)
        yield check
        if check.state is State.FAIL:
            return


def _mailbox(settings: AccountSettings) -> Iterator[Check]:
    """Log in, and ask what can be done there."""
    about = settings.name
    account = wiring.open_account(settings, lambda _: None)
    try:
        if settings.path is None:
            abilities: list[str] = []
            login = _tried("login", about, lambda: _login(settings, account, abilities))
            yield login
            if login.state is State.FAIL:
                return
            yield from (passed("ability", about, ability) for ability in abilities)
        yield _tried("folders", about, lambda: _folders(settings, account))
    finally:
        account.close()


def _login(settings: AccountSettings, account: Account, abilities: list[str]) -> Check:
    if isinstance(account, Describes):
        abilities.extend(account.abilities())
    else:
        account.folders()
    return passed("login", settings.name, f'"{settings.user}" may log in')


def _folders(settings: AccountSettings, account: Account) -> Check:
    count = number(len(account.folders()), "folder")
    if settings.path is not None:
        return passed("folders", settings.name, f'"{settings.path}" holds {count}')
    return passed("folders", settings.name, f"the server lists {count}")
