"""Finding the server of a mail address for a new account, and telling its user what was found."""

from typing import Any

import click

from archiver import wiring
from archiver.cli.output import say, shown
from archiver.errors import UsageError
from archiver.secrets import can_prompt


def keys_of(address: str) -> dict[str, Any] | None:
    """Find the server of an address, and give the keys of an account on it; None where none is found.

    What was found by a way that can be forged is used after a yes alone: the password goes there. Raises
    `UsageError` where nobody can be asked.
    """
    if "@" not in address:
        return None
    say(f"looking for the server of {shown(address)}")
    offer = wiring.find_server(address, "imap") or wiring.find_server(address, "pop3")
    if offer is None:
        return None
    say(f"found {offer.host}, port {offer.port}, by {shown(offer.source)}")
    for note in offer.notes:
        say(f"note: {note}")
    if not offer.trusted and not _confirmed(offer.host):
        raise UsageError(
            f'"{offer.host}" was found by DNS, which can be forged, and is not of the domain of the address',
            f"if it is right, name it: --{offer.protocol} {offer.host} --user {offer.user}",
        )
    usual = {("imap", "tls"): 993, ("imap", "starttls"): 143, ("pop3", "tls"): 995, ("pop3", "starttls"): 110}
    return {
        "kind": offer.protocol,
        "host": offer.host,
        "port": None if offer.port == usual[offer.protocol, offer.line] else offer.port,
        "user": offer.user,
        "starttls": offer.line == "starttls" or None,
        "daily-download-limit": offer.daily_download_limit,
    }


def _confirmed(host: str) -> bool:
    if not can_prompt():
        return False
    question = f'The password will go to "{shown(host)}". Is that your provider\'s server?'
    return click.confirm(question, default=False, err=True)
