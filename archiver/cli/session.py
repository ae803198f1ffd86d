"""What every command needs: the shared options, the settings, archives opened and unlocked."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, wraps
from typing import Any, TypeVar

import click

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.archive.keys import KeyPair
from archiver.catalog.sqlite import SqliteCatalog
from archiver.cli.names import archive_names
from archiver.cli.output import say
from archiver.cli.progress import Progress
from archiver.config import AccountSettings, ArchiveSettings, Settings, load, locate
from archiver.config.settings import did_you_mean
from archiver.errors import ArchiverError, UsageError, WrongKey
from archiver.events import AccountFailed, Alert
from archiver.model import Folder, Secret
from archiver.ops.pull_report import PullReport
from archiver.plan.pull import Selection
from archiver.secrets import PROMPT_TRIES, owner_passphrase, passphrase_is_typed

F = TypeVar("F", bound=Callable[..., Any])


class Subcommands(click.Group):
    """A group that says which subcommand was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            path = ctx.command_path
            guess = did_you_mean(args[0], self.commands)
            raise UsageError(f'there is no command "{path} {args[0]}"{guess}', f"see them all: {path} --help")
        return super().resolve_command(ctx, args)


class Session:
    """One call of archiver."""

    def __init__(self, config: str | None, *, json: bool, quiet: bool, verbose: int) -> None:
        self.config = locate(config)
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self.details: list[dict[str, Any]] = []  # what the report of the run says beside how it ended
        self.unfinished: dict[str, PullReport] = {}  # of accounts whose pull stopped in the middle
        self.failed: list[AccountFailed] = []
        self.well: list[str] = []  # accounts that were pulled with success
        self.alerts: list[Alert] = []  # what the run itself warns of
        self._archives: dict[str, Archive] = {}
        logging.basicConfig(level=(logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])

    @cached_property
    def settings(self) -> Settings:
        """The configuration file."""
        return load(self.config)

    def progress(self) -> Progress:
        """Make the reporter of this call."""
        return Progress(quiet=self.quiet, json=self.json, verbose=self.verbose)

    def say(self, text: str) -> None:
        """Tell something that is not data, unless told to be quiet."""
        if not self.quiet and not self.json:
            say(text)

    def warn_unmatched(self, globs: Sequence[str], folders: Collection[str]) -> None:
        """Tell of globs that no folder matches: mistyped, most likely, and silent otherwise."""
        for glob in globs:
            if not any(Selection((glob,)).takes_folder(Folder(name)) for name in folders):
                guess = did_you_mean(glob, folders, cases=True)
                self.say(f'warning: no folder matches "{glob}"{guess}')

    def archive_settings(self, name: str | None) -> ArchiveSettings:
        """Find the archive that is meant: by name, or the only one there is."""
        archives = self.settings.archives
        if name is not None:
            return self.settings.archive(name)
        if len(archives) == 1:
            return next(iter(archives.values()))
        if not archives:
            raise UsageError(f'no archive is configured in "{self.config}"', "make one: archiver init FOLDER")
        raise UsageError("there are several archives", f"name one: --archive {' | '.join(archives)}")

    def archive_of(self, account: str) -> ArchiveSettings:
        """Find the archive of an account: a configured one, or one whose mail is archived."""
        if account not in self.settings.accounts:
            for settings in self.settings.archives.values():
                with suppress(ArchiverError):
                    if _may_hold(self.archive(settings), account):
                        return settings
        return self.settings.archive(self.settings.account(account).archive)

    def archives(self, name: str | None, accounts: Sequence[str]) -> list[ArchiveSettings]:
        """Find the archives that are meant: the one named, those of the accounts, or all."""
        if name is not None:
            return [self.settings.archive(name)]
        if accounts:
            found = [self.archive_of(account) for account in accounts]
            return list({settings.name: settings for settings in found}.values())
        return list(self.settings.archives.values()) or [self.archive_settings(None)]

    def in_each(
        self, archives: Sequence[ArchiveSettings], work: Callable[[ArchiveSettings], None]
    ) -> ArchiverError | None:
        """Do the same in each archive; one that fails keeps no other from its turn.

        Gives the first failure, to be raised when what was found has been told.
        """
        failures: list[ArchiverError] = []
        for settings in archives:
            try:
                work(settings)
            except ArchiverError as error:
                failures.append(error)
                if len(archives) > 1:  # what is raised in the end does not say of which archive it is
                    say(f'archive "{settings.name}": error: {error.text}')
        return failures[0] if failures else None

    def archive(self, settings: ArchiveSettings) -> Archive:
        """Open an archive, once."""
        if settings.name not in self._archives:
            self._archives[settings.name] = wiring.open_archive(settings)
        return self._archives[settings.name]

    def unlocked(self, settings: ArchiveSettings, command: str | None) -> Archive:
        """Open an archive with its owner's key, asking for the passphrase as far as that is possible."""
        archive = self.archive(settings)
        if not archive.unlocked:
            self.unlock(settings, command)
        return archive

    def unlock(self, settings: ArchiveSettings, command: str | None) -> tuple[KeyPair, Secret]:
        """Give the owner's key and what opened it; a slip at the terminal may be typed again."""
        archive = self.archive(settings)
        tries = PROMPT_TRIES if passphrase_is_typed(archive.root.archive, command) else 1
        while True:
            given = owner_passphrase(archive.root.archive, settings.name, command=command)
            try:
                opened = archive.unlock(given)
            except WrongKey as error:
                tries -= 1
                if not tries:
                    raise
                say(error.text)
            else:
                archive.note_owner_tried(wiring.now())
                return opened, given

    def accounts(self, names: Sequence[str]) -> list[AccountSettings]:
        """Find the accounts that are meant; no name means all."""
        return self.settings.chosen(names)


def _may_hold(archive: Archive, account: str) -> bool:
    """Tell whether an archive has mail of an account; what no key at hand opens may be its."""
    for name in archive.chains():
        try:
            catalog = wiring.open_catalog(archive, archive.chain(name))
        except WrongKey:
            return True
        header = catalog.header()
        catalog.close()
        if header is not None and header.account == account:
            return True
    return False


@contextmanager
def catalogs(archive: Archive, account: str | None = None) -> Iterator[dict[str, SqliteCatalog]]:
    """Open the catalogs of an archive's chains, of one account or of all, brought up to date.

    A chain that no key at hand opens is left out, and told.
    """
    opened: dict[str, SqliteCatalog] = {}
    try:
        for name in archive.chains():
            try:
                catalog = wiring.open_catalog(archive, archive.chain(name))
            except WrongKey:
                say(f"note: chain {name} was written by another machine; the owner key is needed to read it")
                continue
            header = catalog.header()
            if header is not None and account in (None, header.account):
                opened[name] = catalog
            else:
                catalog.close()
        yield dict(sorted(opened.items(), key=lambda item: _account(item[1])))
    finally:
        for catalog in opened.values():
            catalog.close()


def _account(catalog: SqliteCatalog) -> str:
    header = catalog.header()
    return header.account if header else ""


def shared_options(function: F) -> F:
    """Give a command `--config`, `--json`, `--quiet` and `--verbose`, and a `Session` in their place."""

    @click.option("--config", metavar="FILE", help="Use this configuration file.")
    @click.option("--json", is_flag=True, help="Speak JSON.")
    @click.option("-q", "--quiet", is_flag=True, help="Be silent unless something fails.")
    @click.option("-v", "--verbose", count=True, help="Tell more; twice tells all but secrets.")
    @wraps(function)
    def wrapped(config: str | None, json: bool, quiet: bool, verbose: int, **rest: Any) -> Any:
        return function(Session(config, json=json, quiet=quiet, verbose=verbose), **rest)

    return wrapped  # type: ignore[return-value]  # same call, other parameters: Click reads them at run time


def archive_option(function: F) -> F:
    """Give a command `--archive`."""
    return click.option(
        "--archive",
        "archive_name",
        metavar="NAME",
        help="The archive, where there are several.",
        shell_complete=archive_names,
    )(function)


def passphrase_option(function: F) -> F:
    """Give a command `--passphrase-command`."""
    return click.option(
        "--passphrase-command", metavar="COMMAND", help="Prints the passphrase of the owner key."
    )(function)
