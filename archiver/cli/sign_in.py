"""How a person is led through a sign-in, and how its state is told."""

import webbrowser
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from archiver import tokens
from archiver.accounts.oauth import DeviceCode
from archiver.cli.output import print_json, say
from archiver.cli.session import Session
from archiver.config import AccountSettings
from archiver.errors import UsageError
from archiver.plan.sign_in import Outlook, SignIn, Standing, outlook


def sign_in(session: Session, settings: AccountSettings, way: Literal["device", "browser"] | None) -> SignIn:
    """Sign in, telling the person what to do on standard error, and a program in JSON."""
    if settings.oauth is None:
        raise UsageError(
            f'account "{settings.name}" logs in with a password, and needs no sign-in',
            f"for OAuth set [account.{settings.name}.oauth]; see docs/how-to/sign-in-with-oauth.md",
        )
    chosen = way or tokens.ways(settings)[0]

    def browse(url: str) -> None:
        if session.json:
            print_json({"type": "sign-in", "url": url, "code": None, "until": None})
        say(f"Sign in as {settings.user} with a browser on this machine:\n\n  {url}\n")
        webbrowser.open(url)

    def code(told: DeviceCode) -> None:
        if session.json:
            document = {"type": "sign-in", "url": told.url, "code": told.user_code, "until": told.until}
            print_json(document)
        say(f"Sign in as {settings.user}: open {told.url} on any device, and type the code\n")
        say(f"  {told.user_code}\n\nuntil {told.until.astimezone():%H:%M}; waiting ...")

    return tokens.sign_in(settings, chosen, tokens.Show(browse, code))
