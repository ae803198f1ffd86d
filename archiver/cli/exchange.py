"""Adding an account of Exchange: its options, and its endpoint, which is found once and written down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from archiver import wiring
from archiver.cli.output import say, shown
from archiver.config import check_account
from archiver.config.exchange import BACKENDS, SIGN_INS
from archiver.errors import ArchiverError, UsageError
from archiver.model import Secret
from archiver.secrets import account_password, can_prompt

F = TypeVar("F", bound=Callable[..., Any])

_ALONE = ("url", "backend", "sign_in", "mailbox", "archive_mailbox", "public_folders", "no_export")
_ELSEWHERE = ("imap", "pop3", "files", "form", "port", "starttls")


def exchange_options(function: F) -> F:
    """Give `account add` what an account of Exchange needs to be told."""
    for option in reversed(
        (
            click.option(
                "--exchange",
                metavar="ADDRESS",
                help="A mailbox of Exchange, or of Microsoft 365.",
            ),
            click.option(
                "--url", metavar="URL", help="With --exchange: the server's address, found if not given."
            ),
            click.option("--backend", type=click.Choice(BACKENDS), help="With --exchange: EWS or Graph."),
            click.option(
                "--sign-in", type=click.Choice(SIGN_INS), help="With --exchange: how the server wants it."
            ),
            click.option(
                "--mailbox", metavar="ADDRESS", help="With --exchange: another one than that of --user."
            ),
            click.option(
                "--archive-mailbox", is_flag=True, help="With --exchange: the archive mailbox, too."
            ),
            click.option("--public-folders", is_flag=True, help="With --exchange: the public folders, too."),
            click.option(
                "--no-export", is_flag=True, help="With --exchange: without each item's full export."
            ),
        )
    ):
        function = option(function)
    return function


def refuse_exchange_options(given: dict[str, Any]) -> None:
    """Raise `UsageError` for options that go with `--exchange` alone."""
    for key in _ALONE:
        if given[key]:
            raise UsageError(
                f"--{key.replace('_', '-')} goes with --exchange alone",
                "name the mailbox: --exchange ADDRESS",
            )


def exchange_keys(given: dict[str, Any]) -> dict[str, Any]:
    """Give the keys of an account of Exchange, but for its password, its sign-in and its endpoint."""
    for key in _ELSEWHERE:
        if given[key]:
            raise UsageError(f"--{key} does not go with --exchange", "leave one of them out")
    address, user = given["exchange"], given["user"] or given["exchange"]
    if "@" not in address:
        raise UsageError(f'"{address}" is no mail address', "name the mailbox: --exchange ann@example.org")
    return {
        "kind": "exchange",
        "user": user,
        "mailbox": given["mailbox"] or (address if user != address else None),
        "backend": given["backend"],
        "url": given["url"],
        "sign-in": given["sign_in"],
        "archive-mailbox": given["archive_mailbox"] or None,
        "public-folders": given["public_folders"] or None,
        "export": False if given["no_export"] else None,
    }


def with_endpoint(config: Path, name: str, keys: dict[str, Any]) -> Secret | None:
    """Find the endpoint where it is not known, and enter it; give the password, where it was asked for.

    Exchange Online has one that everybody knows. Raises `UsageError` where none is found.
    """
    if keys["url"] or keys["oauth"]:
        return None
    address = keys["mailbox"] or keys["user"]
    probable = f"https://autodiscover.{address.rpartition('@')[2]}/"
    settings = check_account(config, name, {**keys, "url": probable}).accounts[name]
    say(f"looking for the server of {shown(address)}")
    password = None if settings.by_ticket else account_password(settings)
    try:
        keys["url"] = wiring.find_exchange(settings, address, password)
    except ArchiverError as error:
        if not can_prompt():
            raise UsageError(
                f"the server of {address} was not found: {error.text}",
                "name it: --url https://mail.example.org/EWS/Exchange.asmx; for Microsoft 365: --oauth microsoft",
            ) from error
        say(f"it was not found: {error.text}")
        keys["url"] = click.prompt("Address of the server (https://HOST/EWS/Exchange.asmx)", err=True).strip()
    else:
        say(f"found {shown(keys['url'])}")
    return password
