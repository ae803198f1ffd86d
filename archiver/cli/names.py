"""The names that a shell completes: accounts, archives, folders. Quick, without network, silent on any error."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from archiver.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


def account_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the accounts of the configuration."""
    return _beginning(incomplete, lambda: _settings(context).accounts)


def archive_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the archives of the configuration."""
    return _beginning(incomplete, lambda: _settings(context).archives)


def account_and_archive_names(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Give both, for a command that takes either."""
    return account_names(context, param, incomplete) + archive_names(context, param, incomplete)


def folder_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the folders that the local catalogs know, of the accounts named on the command line or of all."""
    return _beginning(incomplete, lambda: _folders(context))


def folders_option(text: str) -> Callable[[F], F]:
    """Give a command `--folder`, which takes globs and says `text` in the help."""
    return click.option(
        "--folder", "folders", multiple=True, metavar="GLOB", help=text, shell_complete=folder_names
    )


def _beginning(incomplete: str, names: Callable[[], Iterable[str]]) -> list[str]:
    try:
        return [name for name in names() if name.startswith(incomplete) and name.isprintable()]
    except Exception:  # noqa: BLE001, RUF100 -- whatever it is, this is no place to tell it
        return []


def _settings(context: click.Context) -> "Settings":
    from archiver.config import load, locate  # noqa: PLC0415 -- every command imports this file

    return load(locate(context.params.get("config")))


def _folders(context: click.Context) -> list[str]:
    from archiver.catalog.glance import glance  # noqa: PLC0415 -- as above
    from archiver.config import cache_folder  # noqa: PLC0415

    # Click gives up on a line whose last option has no value yet, and leaves the other words in `args`
    given = context.params.get("name") or context.params.get("names") or context.args
    wanted = {given} if isinstance(given, str) else set(given)
    found: dict[str, None] = {}
    for path in sorted(cache_folder().glob("*/*.sqlite")):
        seen = glance(path)
        if not wanted or seen.account in wanted:
            found.update(dict.fromkeys(seen.folders))
    return list(found)
