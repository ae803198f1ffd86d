"""archiver account: add, list, test and remove accounts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from archiver import wiring
from archiver.cli.exchange import exchange_keys, exchange_options, refuse_exchange_options, with_endpoint
from archiver.cli.names import account_names, folder_names
from archiver.cli.output import number, print_json, print_table, say, shown
from archiver.cli.servers import keys_of
from archiver.cli.session import Session, Subcommands, archive_option, shared_options
from archiver.cli.sign_in import sign_in
from archiver.config import AccountSettings, Security, add_account, check_account, remove_account
from archiver.config.reader import MBOX_FORMS
from archiver.errors import ArchiverError, UsageError
from archiver.model import Secret
from archiver.plan.proposal import Proposal, propose
from archiver.ports import Describes
from archiver.secrets import can_prompt, keyring_holds, remember_password, typed_password

_HOSTS = {"microsoft": "outlook.office365.com", "google": "imap.gmail.com"}
PASSWORD_KEYS = ("password-command", "password-file", "password-keyring")


@click.group("account", cls=Subcommands)
def command() -> None:
    """Add, list, test and remove accounts."""


@command.command("add", short_help="Add an account; asks for what is not given.")
@click.argument("name", required=False)
@click.option("--imap", metavar="HOST", help="The IMAP server.")
@click.option("--pop3", metavar="HOST", help="The POP3 server, in the place of an IMAP server.")
@click.option(
    "--files", metavar="PATH", help="Mail on this machine: a Maildir, an mbox file, a tree of them."
)
@exchange_options
@click.option("--form", type=click.Choice(MBOX_FORMS), help="With --files: how the mbox files are quoted.")
@click.option("--user", help="The user name, often the mail address.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="If not given: 993, or 143 with --starttls; POP3: 995, or 110.",
)
@click.option("--starttls", is_flag=True, help="Begin in the clear and turn to TLS.")
@click.option(
    "--insecure-plaintext", is_flag=True, help="No TLS at all: the password can be read on the way."
)
@click.option("--ca-file", metavar="FILE", help="Trust the certificates in this file.")
@click.option("--password-command", metavar="COMMAND", help="Prints the password: 'pass show mail'.")
@click.option("--password-file", metavar="FILE", help="Holds the password, readable by you alone.")
@click.option("--password-keyring", is_flag=True, help="The password is in the desktop's keyring.")
@click.option(
    "--oauth", type=click.Choice(["microsoft", "google"]), help="Sign in there, in place of a password."
)
@click.option("--client-id", metavar="ID", help="With --oauth: the client that you have registered.")
@click.option("--client-secret-command", metavar="COMMAND", help="With --oauth: prints the client's secret.")
@click.option("--client-secret-file", metavar="FILE", help="With --oauth: holds the client's secret.")
@click.option(
    "--client-certificate-file",
    metavar="FILE",
    help="With --exchange and --oauth: certificate and key of a program that signs in as itself.",
)
@click.option(
    "--tenant", metavar="TENANT", help="With --oauth microsoft: your company's, where it must be named."
)
@click.option(
    "--authority", metavar="URL", help="With --oauth microsoft: where to sign in, in a national cloud."
)
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Folders to leave out.", shell_complete=folder_names
)
@archive_option
@click.option("--no-test", is_flag=True, help="Do not try the login.")
@shared_options
def add(session: Session, name: str | None, archive_name: str | None, no_test: bool, **given: Any) -> None:
    """Add an account to the configuration; on a terminal, what is not given is asked for.

    Without a server it is looked for: by the domain of the mail address.

    \b
      archiver account add work --user ann@example.org
      archiver account add work --imap imap.example.org --user ann@example.org
      archiver account add work --imap imap.example.org --user ann --password-command 'pass show work'
      archiver account add work --oauth microsoft --client-id ID --user ann@example.org
      archiver account add office --exchange ann@example.org --user 'EXAMPLE\\ann'
      archiver account add online --exchange ann@example.org --oauth microsoft --client-id ID
      archiver account add old --pop3 pop.example.org --user ann
      archiver account add local --files ~/Maildir
    """
    archive = session.archive_settings(archive_name)
    name = _or_ask(name, "Name of the account, a word of your choice", "NAME")
    if name in session.settings.accounts:
        raise UsageError(
            f'there is an account "{name}" already',
            f"choose another name, or first: archiver account remove {name}",
        )
    if not given["exchange"]:
        refuse_exchange_options(given)
    keys = {
        "archive": archive.name,
        **(_files_keys(given) if given["files"] and not given["exchange"] else _server_keys(name, given)),
    }
    typed = with_endpoint(session.config, name, keys) if given["exchange"] else None
    settings = check_account(session.config, name, keys).accounts[name]
    try:
        password = _password_to_keep(settings)
        if not no_test and not _needs_person(settings):
            proposal = _test(session, settings, password or typed)
            keys |= {} if given["exclude"] else _folder_keys(session, proposal)
    except ArchiverError as error:
        raise error.retold(f'account "{name}" was not added: {error.text}') from None
    if password is not None:
        remember_password(name, password)
    add_account(session.config, name, keys)
    if session.json:
        print_json({"type": "account-added", "name": name, "archive": archive.name})
    else:
        following = "account login" if _needs_person(settings) else "pull"
        session.say(f'added account "{name}"; next: archiver {following} {name}')


def _needs_person(settings: AccountSettings) -> bool:
    """Tell whether somebody has to sign in before the first login."""
    return settings.oauth is not None and settings.oauth.client_certificate_file is None


def _files_keys(given: dict[str, Any]) -> dict[str, Any]:
    """Give the keys of an account without a server. Raises `UsageError` for options that are about one."""
    about_servers = [key for key in given if given[key] and key not in ("files", "form", "exclude")]
    if about_servers:
        option = about_servers[0].replace("_", "-")
        raise UsageError(f"--{option} does not go with --files", "leave one of them out")
    return {
        "kind": "files",
        "path": _absolute(given["files"]),
        "form": given["form"],
        "exclude": list(given["exclude"]) or None,
    }


def _server_keys(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Give the keys of an account on a server; on a terminal, ask for what is not given."""
    oauth = _oauth(given)
    asks = True  # somebody is led through it
    keys: dict[str, Any]
    if given["exchange"]:
        keys = exchange_keys(given)
    else:
        keys, asks = _host_keys(given)
    keys |= {
        "insecure-plaintext": given["insecure_plaintext"] or None,
        "ca-file": _absolute(given["ca_file"]),
        "password-command": given["password_command"],
        "password-file": _absolute(given["password_file"]),
        "password-keyring": given["password_keyring"] or None,
        "oauth": oauth,
        "exclude": list(given["exclude"]) or None,
    }
    asks = asks and given["sign_in"] != "kerberos"
    if asks and not oauth and can_prompt() and not any(keys[key] for key in PASSWORD_KEYS):
        keys.update(_ask_password_source(name))
    return keys


def _host_keys(given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Give the keys of an IMAP or a POP3 server, and whether somebody was asked for them."""
    if given["form"]:
        raise UsageError("--form goes with --files alone", "leave it out")
    kind, host = _server(given["imap"], given["pop3"])
    host = host or _HOSTS.get(given["oauth"])
    user = _or_ask(given["user"], "Mail address, or user name", "--user USER")
    found = None if host or given["port"] else keys_of(user)
    keys = found or {
        "kind": kind,
        "host": _or_ask(host, "IMAP server", "--imap HOST"),
        "port": given["port"],
        "user": user,
        "starttls": given["starttls"] or None,
    }
    return keys, not (host and given["user"])


@command.command("list")
@shared_options
def list_(session: Session) -> None:
    """List the configured accounts."""
    accounts = list(session.settings.accounts.values())
    if session.json:
        print_json({"type": "accounts", "accounts": [_described(account) for account in accounts]})
    elif accounts:
        rows = [(a.name, a.kind, a.user, _address(a), a.archive) for a in accounts]
        print_table(rows, ("NAME", "KIND", "USER", "SERVER", "ARCHIVE"))
    else:
        say("no account yet; add one with: archiver account add NAME")


@command.command("test")
@click.argument("name", shell_complete=account_names)
@shared_options
def test(session: Session, name: str) -> None:
    """Log in, and tell what is there, or why it cannot be."""
    settings = session.settings.account(name)
    # the whole way of a sign-in, which a token that is good for some minutes more would hide
    _test(session, settings, wiring.fresh_token(settings) if settings.oauth is not None else None)


@command.command("login", short_help="Sign in by OAuth, once, for all runs to come.")
@click.argument("name", shell_complete=account_names)
@click.option(
    "--device", "way", flag_value="device", help="Show a code to type on any device with a browser."
)
@click.option("--browser", "way", flag_value="browser", help="Open the browser of this machine.")
@shared_options
def login(session: Session, name: str, way: Literal["device", "browser"] | None) -> None:
    """Sign in to an account that has [account.NAME.oauth]; the runs to come need nobody.

    \b
      archiver account login work
      archiver account login work --browser
    """
    settings = session.settings.account(name)
    known = sign_in(session, settings, way)
    if session.json:
        print_json({"type": "signed-in", "name": name, "kept": known.kept, "until": known.until})
    else:
        where = "in the keyring" if known.kept == "keyring" else "sealed, in a file"
        session.say(f'signed in to account "{name}"; kept {where}')
    _test(session, settings)


@command.command("remove", short_help="Take an account out of the configuration.")
@click.argument("name", shell_complete=account_names)
@shared_options
def remove(session: Session, name: str) -> None:
    """Take an account out of the configuration. Its archived mail stays where it is."""
    remove_account(session.config, name)
    wiring.forget_sign_in(name)
    if session.json:
        print_json({"type": "account-removed", "name": name})
    else:
        session.say(f'removed account "{name}" from the configuration; its archived mail stays')


def _folder_keys(session: Session, proposal: Proposal) -> dict[str, Any]:
    """Give the keys of the folders that are proposed; what leaves mail out is asked for."""
    if proposal.include:
        session.say(f"archived are {_listed(proposal.include)}: all mail, each message once, with its labels")
        return {"folders": list(proposal.include)}
    if proposal.exclude and can_prompt():
        question = f"Leave out {_listed(proposal.exclude)}?"
        if click.confirm(shown(question), default=True, err=True):
            return {"exclude": list(proposal.exclude)}
    return {}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _test(session: Session, settings: AccountSettings, password: Secret | None = None) -> Proposal:
    """Log in, tell what is there, and propose what to archive of it."""
    given = (lambda: password) if password is not None else None
    account = wiring.open_account(settings, _warn, given, warn_of_settings=True)
    try:
        folders = account.folders()
        abilities = list(account.abilities()) if isinstance(account, Describes) else []
        proposal = propose(folders, hasattr(account, "keeps_labels") and account.keeps_labels())
    finally:
        account.close()
    if session.json:
        names = [folder.name for folder in folders]
        print_json(
            {"type": "account-tested", "name": settings.name, "folders": names, "abilities": abilities}
        )
        return proposal
    what = number(len(folders), "folder")
    if settings.path is not None:
        session.say(f'read "{settings.path}": {what}')
    else:
        session.say(f'logged in to "{settings.host}" as "{settings.user}": {what}')
    for ability in abilities:
        session.say(f"  {ability}")
    return proposal


def _warn(text: str) -> None:
    say(f"warning: {text}")


def _absolute(given: str | None) -> str | None:
    """Resolve a path from where the command was typed: in the file it would start from elsewhere."""
    return str(Path(given).expanduser().absolute()) if given else None


def _oauth(given: dict[str, Any]) -> dict[str, str] | None:
    """Make the table of a sign-in from its options; None where there is none."""
    keys = {
        "client-id": given["client_id"],
        "client-secret-command": given["client_secret_command"],
        "client-secret-file": _absolute(given["client_secret_file"]),
        "client-certificate-file": _absolute(given["client_certificate_file"]),
        "tenant": given["tenant"],
        "authority": given["authority"],
    }
    found = {key: value for key, value in keys.items() if value}
    if not given["oauth"]:
        if found:
            raise UsageError(
                f"--{next(iter(found))} goes with --oauth", "name the provider: --oauth microsoft"
            )
        return None
    if not given["client_id"]:
        raise UsageError(
            "--client-id is missing: archiver has no client of its own",
            "register one; docs/how-to/sign-in-with-oauth.md tells how",
        )
    return {"provider": given["oauth"], **found}


def _ask_password_source(name: str) -> dict[str, object]:
    say(
        "Where does archiver get the password?\n"
        "  ask      it asks you each time; a nightly run has nobody to ask\n"
        "  keyring  it keeps it in the keyring of your desktop\n"
        f"  command  it runs a command that prints it, such as: pass show {name}\n"
        "  file     it reads the first line of a file"
    )
    words = click.Choice(["ask", "keyring", "command", "file"])
    match click.prompt("Password from", type=words, default="ask", show_choices=False, err=True):
        case "keyring":
            return {"password-keyring": True}
        case "command":
            return {"password-command": click.prompt("Command", err=True).strip()}
        case "file":
            return {"password-file": _absolute(click.prompt("File", err=True).strip())}
    return {}


def _password_to_keep(settings: AccountSettings) -> Secret | None:
    """Ask for the password that the keyring is to hold and does not yet."""
    if settings.password_keyring and can_prompt() and not keyring_holds(settings.name):
        return typed_password(settings)
    return None


def _server(imap: str | None, pop3: str | None) -> tuple[str, str | None]:
    """Tell the kind and the host; without any it is IMAP, whose host is asked for."""
    if imap and pop3:
        raise UsageError(
            "--imap and --pop3 are two kinds of account", "give one of them; IMAP where there is both"
        )
    return ("pop3", pop3) if pop3 else ("imap", imap)


def _or_ask(given: object, prompt: str, option: str) -> str:
    if given:
        return str(given)
    if not can_prompt():
        raise UsageError(
            f"{option} is missing, and there is no terminal to ask at",
            "archiver account add NAME --imap HOST --user USER; see: archiver account add --help",
        )
    return str(click.prompt(prompt, err=True)).strip()


def _address(account: AccountSettings) -> str:
    if account.path is not None:
        return str(account.path)
    return f"{account.host}:{account.port}" if account.port else account.host


def _described(account: AccountSettings) -> dict[str, object]:
    return {
        "name": account.name,
        "kind": account.kind,
        "archive": account.archive,
        "host": account.host,
        "port": account.port,
        "user": account.user,
        "path": str(account.path) if account.path else None,
        "tls": account.security is not Security.PLAINTEXT,
    }
