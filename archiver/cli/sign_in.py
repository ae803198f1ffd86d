"""How a person is led through a sign-in, and how its state is told."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from archiver.cli.output import print_json, say
from archiver.cli.session import Session
from archiver.config import AccountSettings
from archiver.errors import UsageError
from archiver.plan.sign_in import Outlook, SignIn, Standing, outlook

if TYPE_CHECKING:
    from archiver.accounts.oauth import DeviceCode


def sign_in(session: Session, settings: AccountSettings, way: Literal["device", "browser"] | None) -> SignIn:
    """Sign in, telling the person what to do on standard error, and a program in JSON."""
    import webbrowser  # noqa: PLC0415 -- as below

    from archiver import tokens  # noqa: PLC0415 -- loads what speaks HTTP, which most runs do not need

    if settings.by_ticket:
        raise UsageError(
            f'account "{settings.name}" is signed in to by Kerberos, outside of archiver',
            f"get a ticket: kinit USER@REALM; then try it with: archiver account test {settings.name}",
        )
    if settings.oauth is None:
        raise UsageError(
            f'account "{settings.name}" logs in with a password, and needs no sign-in',
            f"for OAuth set [account.{settings.name}.oauth]; see docs/how-to/sign-in-with-oauth.md",
        )
    if tokens.signs_in_as_program(settings):
        raise UsageError(
            f'account "{settings.name}" is signed in to by its certificate, and needs nobody',
            f"try it with: archiver account test {settings.name}",
        )
    chosen = way or tokens.ways(settings)[0]

    def browse(url: str) -> None:
        if session.json:
            print_json({"type": "sign-in", "url": url, "code": None, "until": None})
        say(f"Sign in as {settings.user} with a browser on this machine:\n\n  {url}\n\nwaiting ...")
        webbrowser.open(url)

    def code(told: "DeviceCode") -> None:
        if session.json:
            document = {"type": "sign-in", "url": told.url, "code": told.user_code, "until": told.until}
            print_json(document)
        say(f"Sign in as {settings.user}: open {told.url} on any device, and type the code\n")
        say(f"  {told.user_code}\n\nuntil {told.until.astimezone():%H:%M}; waiting ...")

    return tokens.sign_in(settings, chosen, tokens.Show(browse, code))


def outlooks(accounts: Iterable[AccountSettings]) -> dict[str, Outlook]:
    """Tell how the sign-in of each account stands, of those that have one."""
    signing_in = [each for each in accounts if each.oauth is not None]
    if not signing_in:
        return {}
    from archiver import tokens  # noqa: PLC0415 -- as above

    people = [each for each in signing_in if not tokens.signs_in_as_program(each)]
    return {each.name: outlook(tokens.look(each), tokens.now()) for each in people}


def warn_of(found: dict[str, Outlook]) -> None:
    """Warn of each sign-in that is lost or will be soon, even where all else is to be quiet."""
    for name, each in found.items():
        if each.standing in (Standing.NONE, Standing.LOST, Standing.SOON):
            say(f"warning: {warning_of(name, each)}")


def warning_of(name: str, each: Outlook) -> str:
    """Say that a sign-in is lost or will be soon, and what to do."""
    if each.standing is Standing.NONE:
        return f'nobody has signed in to account "{name}" yet: archiver account login {name}'
    if each.standing is Standing.LOST:
        return f'the sign-in of account "{name}" is lost: {each.why}; archiver account login {name}'
    date = f"{each.dies.astimezone():%Y-%m-%d %H:%M}" if each.dies else "?"
    if each.by_idling:
        return (
            f'the sign-in of account "{name}" dies on {date} unless it is used before: archiver pull {name}'
        )
    return f'the sign-in of account "{name}" dies on {date}: archiver account login {name}'
