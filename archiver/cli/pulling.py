"""The pull of each of several accounts: what their threads do, each with an archive and a catalog of its own."""

import threading
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from msgspec import Struct

from archiver import wiring
from archiver.archive.writer import ChainOwner
from archiver.cli.progress import Progress
from archiver.cli.session import Session
from archiver.cli.side_by_side import Hold
from archiver.config import AccountSettings
from archiver.ops.large import OneLargeAtATime
from archiver.ops.pull import Pull
from archiver.ops.pull_folder import Work
from archiver.ops.pull_report import PullReport
from archiver.plan.pull import Selection
from archiver.plan.turns import lane
from archiver.secrets import password_is_typed, typed_password


class Wanted(Struct, frozen=True):
    """What the options of a pull ask for."""

    folders: tuple[str, ...]
    exclude: tuple[str, ...]
    since: datetime | None
    dry: bool
    accept_other_mailbox: bool


class Pulling:
    """Pulls one of the accounts; called in a thread of its own. Nobody is asked for a password in there."""

    def __init__(
        self, session: Session, accounts: Sequence[AccountSettings], wanted: Wanted, progress: Progress
    ) -> None:
        self._session = session
        self._accounts = accounts
        self._wanted = wanted
        self._progress = progress
        self._typed = {each.name: typed_password(each) for each in accounts if password_is_typed(each)}
        self._large = threading.Semaphore(1)
        self.lanes = [lane(each.host, each.user or str(each.path)) for each in accounts]

    def __call__(self, which: int, hold: Hold) -> PullReport:
        """Pull. Raises what stops this account."""
        settings, wanted = self._accounts[which], self._wanted
        configured = self._session.settings.archive(settings.archive)
        archive = wiring.open_archive(configured)
        with archive.lock(settings.name):
            chain = archive.chain(archive.chain_of(settings.name))
            catalog = wiring.open_catalog(archive, chain)
            typed = self._typed.get(settings.name)
            account = wiring.open_account(
                settings, partial(self._warn, settings.name), (lambda: typed) if typed else None
            )
            hold.take(account)
            if len(self._accounts) > 1:
                account = OneLargeAtATime(account, self._large, hold)
            limit = wiring.daily_limit(settings)
            owner = ChainOwner(settings.name, settings.kind)
            try:
                with archive.begin(owner, chain, catalog, configured.compression, wiring.now) as run:
                    folders, exclude = wanted.folders or settings.folders, settings.exclude + wanted.exclude
                    selection = Selection(folders, exclude, wanted.since)
                    work = Work(
                        settings.name, account, run, selection, self._progress, hold, wanted.dry, limit
                    )
                    return self._pull(Pull(work, accept_other_mailbox=wanted.accept_other_mailbox))
            finally:
                if limit is not None:
                    limit.close()
                account.close()
                catalog.close()

    def _pull(self, pull: Pull) -> PullReport:
        """Pull, and leave to the session how far it came where something stops it."""
        name = pull.report.account
        self._session.unfinished.pop(name, None)  # of an attempt before this one
        try:
            return pull()
        except BaseException:
            self._session.unfinished[name] = pull.report
            raise

    def _warn(self, account: str, text: str) -> None:
        with self._progress.aside():
            self._session.say(f"{account}: {text}" if len(self._accounts) > 1 else text)
