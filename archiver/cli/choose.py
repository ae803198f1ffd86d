"""Choosing archived messages on the command line: the filters that list and export share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from msgspec import Struct

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.catalog.several import SeveralCatalogs
from archiver.catalog.sqlite import SqliteCatalog
from archiver.cli.names import folders_option
from archiver.cli.session import Session, catalogs
from archiver.errors import UsageError
from archiver.plan.select import Filter, parse_size, parse_time

F = TypeVar("F", bound=Callable[..., Any])


class Chosen(Struct, frozen=True):
    """What the filter options say."""

    filter: Filter
    sender: str | None
    as_of: str | None


def filter_options(function: F) -> F:
    """Give a command `--folder`, `--from`, `--since`, `--before`, `--larger-than`, `--present`, `--as-of`."""
    for option in (
        folders_option("In these folders alone."),
        click.option("--from", "sender", metavar="TEXT", help="From has this in it. Needs the passphrase."),
        click.option("--since", metavar="DATE", help="Received then or later: 2024-05-31, 30d, 1y."),
        click.option("--before", metavar="DATE", help="Received before."),
        click.option("--larger-than", "larger", metavar="SIZE", help="Larger than 300K, 5M, 2G."),
        click.option("--present", is_flag=True, help="Still on the server when it was last pulled."),
        click.option("--as-of", metavar="RUN|DATE", help="As the archive was after a run, or at a time."),
    ):
        function = option(function)
    return function


def chosen(options: dict[str, Any]) -> Chosen:
    """Read the filter options."""
    now = wiring.now().astimezone()
    return Chosen(
        Filter(
            folders=options["folders"],
            since=parse_time(options["since"], now) if options["since"] else None,
            before=parse_time(options["before"], now) if options["before"] else None,
            larger=parse_size(options["larger"]) if options["larger"] else None,
            present=options["present"],
        ),
        options["sender"],
        options["as_of"],
    )


@contextmanager
def account_catalogs(
    session: Session, archive: Archive, account: str, as_of: str | None
) -> Iterator[SeveralCatalogs]:
    """Open the catalogs of an account, as they are or as they were. Raises `UsageError` if there is none."""
    with catalogs(archive, account) as opened:
        if not opened:
            raise UsageError(
                f'nothing is archived of account "{account}"', f"pull it: archiver pull {account}"
            )
        if as_of is None:
            yield SeveralCatalogs(list(opened.values()))
            return
        until = int(as_of) if as_of.isdecimal() else parse_time(as_of, wiring.now().astimezone())
        past = {chain: SqliteCatalog() for chain in opened}
        try:
            for chain, catalog in past.items():
                archive.replay(archive.chain(chain), catalog, until)
            yield SeveralCatalogs(list(past.values()))
        finally:
            for catalog in past.values():
                catalog.close()
