"""Check a configuration file and make settings of it: every problem is told, with the path of its key."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from archiver.config.exchange import EXCHANGE_KEYS, host_of, read_exchange
from archiver.config.notify import read_notify
from archiver.config.oauth import read_oauth
from archiver.config.pull import read_pull
from archiver.config.settings import (
    AccountKind,
    AccountSettings,
    ArchiveSettings,
    Compression,
    MboxForm,
    OAuthSettings,
    PruneSettings,
    Security,
    Settings,
    WarnSettings,
    did_you_mean,
)
from archiver.config.table import Table, shown
from archiver.errors import ConfigInvalid
from archiver.plan.select import parse_share, parse_size, parse_time

COMPRESSIONS = ("default", "long")
KINDS = ("imap", "pop3", "exchange", "files")
ARCHIVE_KEYS = ("path", "compression")
PASSWORD_KEYS = ("password-command", "password-keyring", "password-file")
MBOX_FORMS = ("mboxo", "mboxrd", "mboxcl", "mboxcl2")
FILES_KEYS = ("path", "form")
ACCOUNT_KEYS = (
    "archive",
    "kind",
    "host",
    "port",
    "user",
    *PASSWORD_KEYS,
    "oauth",
    "starttls",
    "insecure-plaintext",
    "ca-file",
    "timeout-s",
    "folders",
    "exclude",
    *FILES_KEYS,
    *EXCHANGE_KEYS,
    "daily-download-limit",
    "prune",
)
PRUNE_KEYS = (
    "older-than",
    "larger-than",
    "keep-last",
    "folders",
    "exclude",
    "flagged",
    "drafts",
    "unread",
    "refetch",
    "expunge",
    "trash",
    "grace",
    "allow-empty",
    "max-share",
    "scheduled",
)
WARN_KEYS = ("overdue-days",)
_HOST = re.compile(r"[^\s/@]+")


def load(path: Path) -> Settings:
    """Read the configuration file; one that is not there is empty. Raises `ConfigInvalid`."""
    return parse(read(path), path)


def parse(raw: bytes, path: Path) -> Settings:
    """Check the content of a configuration file. Raises `ConfigInvalid`.

    `path` is for texts, and its folder is what relative paths start from.
    """
    top = Table("", decode(raw, path), path.parent)
    archives = [_archive(name, table) for name, table in top.tables("archive")]
    group = top.raw.get("archive")
    named = set(group) if isinstance(group, dict) else set()
    accounts = [_account(name, table, named) for name, table in top.tables("account")]
    notify, pull, warn = read_notify(top), read_pull(top), _warn(top)
    top.refuse_unknown(("archive", "account", "notify", "pull", "warn"))
    if top.problems:
        count = "1 problem" if len(top.problems) == 1 else f"{len(top.problems)} problems"
        raise ConfigInvalid("\n  ".join([f'"{path}" has {count}:', *top.problems]))
    return Settings(
        path,
        {each.name: each for each in archives if each is not None},
        {each.name: each for each in accounts if each is not None},
        notify,
        warn,
        pull,
    )


def read(path: Path) -> bytes:
    """Read the file; one that is not there is empty."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigInvalid(f'"{path}" cannot be read: {error.strerror}', "check its rights") from error


def decode(raw: bytes, path: Path) -> dict[str, Any]:
    """Read TOML. Raises `ConfigInvalid` with the line of the mistake."""
    import tomllib  # noqa: PLC0415 - help reads no file, and must be quick

    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigInvalid(f'"{path}" is not UTF-8 text (at line {line})', "save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        raise ConfigInvalid(f'"{path}" is not TOML: {text[:1].lower()}{text[1:]}') from None


def _warn(top: Table) -> WarnSettings:
    table = top.below("warn", " of the form [warn]")
    if table is None:
        return WarnSettings()
    table.refuse_unknown(WARN_KEYS)
    days = table.number("overdue-days", int, 0, 3650)
    return WarnSettings() if days is None else WarnSettings(days)


def _archive(name: str, table: Table) -> ArchiveSettings | None:
    before = len(table.problems)
    path = table.path("path", required=True)
    compression = table.choice("compression", COMPRESSIONS, "default")
    if "passphrase" in table.raw:
        table.problem(
            "passphrase", "a passphrase does not belong in this file; remove it, and see key remember"
        )
    table.refuse_unknown((*ARCHIVE_KEYS, "passphrase"))
    if path is None or len(table.problems) > before:
        return None
    return ArchiveSettings(name, path, cast(Compression, compression))


def _account(name: str, table: Table, archives: set[str]) -> AccountSettings | None:
    before = len(table.problems)
    kind = table.choice("kind", KINDS)
    if kind == "files":
        return _files_account(name, table, archives)
    archive = _archive_of(table, archives)
    prune, oauth = _prune(table), read_oauth(table)
    exchange = read_exchange(table, oauth) if kind == "exchange" else None
    host = _host(table) if kind != "exchange" else host_of(exchange) if exchange else None
    user = table.text("user", required=True)
    port = table.number("port", int, 1, 65535)
    timeout_s = table.number("timeout-s", float, 1, 3600)
    security = _security(table)
    ca_file = table.path("ca-file")
    command, keyring, file = (
        table.text("password-command"),
        table.flag("password-keyring"),
        table.path("password-file"),
    )
    _refuse_passwords(table)
    folders, exclude = table.texts("folders"), table.texts("exclude")
    limit = table.understood("daily-download-limit", parse_size)
    _refuse_others(table, kind, oauth)
    table.refuse_unknown((*ACCOUNT_KEYS, "password"))
    if len(table.problems) > before or archive is None or host is None or user is None:
        return None
    return AccountSettings(
        name=name,
        archive=archive,
        kind=cast(AccountKind, kind),
        host=host,
        user=user,
        port=port,
        security=security,
        ca_file=ca_file,
        timeout_s=60.0 if timeout_s is None else float(timeout_s),
        password_command=command,
        password_file=file,
        password_keyring=keyring,
        oauth=oauth,
        folders=folders,
        exclude=exclude,
        daily_download_limit=limit,
        prune=prune,
        exchange=exchange,
    )


def _host(table: Table) -> str | None:
    host = table.text("host", required=True)
    if host is not None and not _HOST.fullmatch(host):
        table.problem("host", 'must be a bare name or address, such as "imap.example.org"')
    return host


def _refuse_others(table: Table, kind: str | None, oauth: OAuthSettings | None) -> None:
    """Note the keys that go with other kinds of account."""
    for other, keys in (("files", FILES_KEYS), ("exchange", EXCHANGE_KEYS)):
        for key in keys if kind != other else ():
            if key in table.raw:
                table.problem(key, f'goes with kind = "{other}" alone, and kind is "{kind}"')
    if kind != "exchange" and oauth is not None and oauth.client_certificate_file is not None:
        table.problem("oauth.client-certificate-file", 'goes with kind = "exchange" alone')


def _prune(account: Table) -> PruneSettings:
    table = account.below("prune", " of the form [account.NAME.prune]")
    if table is None:
        return PruneSettings()
    table.refuse_unknown(PRUNE_KEYS)
    older_than, grace = table.text("older-than"), table.text("grace")
    for key, text in (("older-than", older_than), ("grace", grace)):
        if text is not None:
            table.understood(key, lambda text: parse_time(text, datetime.now(UTC)))
    if table.flag("expunge") and "trash" in table.raw:
        table.problem("trash", 'contradicts "expunge"; keep one of them')
    return PruneSettings(
        older_than=older_than,
        larger_than=table.understood("larger-than", parse_size),
        keep_last=table.number("keep-last", int, 1, 1_000_000_000),
        folders=table.texts("folders"),
        exclude=table.texts("exclude"),
        flagged=table.flag("flagged"),
        drafts=table.flag("drafts"),
        unread=table.flag("unread"),
        refetch=table.flag("refetch"),
        expunge=table.flag("expunge"),
        trash=table.text("trash"),
        grace=grace,
        allow_empty=table.texts("allow-empty"),
        max_share=table.understood("max-share", parse_share),
        scheduled=table.flag("scheduled"),
    )


def _archive_of(table: Table, archives: set[str]) -> str | None:
    archive = table.text("archive", required=True)
    if archive is not None and archive not in archives:
        table.problem("archive", f"there is no [archive.{shown(archive)}]{did_you_mean(archive, archives)}")
    return archive


def _files_account(name: str, table: Table, archives: set[str]) -> AccountSettings | None:
    """Read an account that has no server: mail in files."""
    before = len(table.problems)
    archive, path = _archive_of(table, archives), table.path("path", required=True)
    form = table.choice("form", MBOX_FORMS, "")
    folders, exclude = table.texts("folders"), table.texts("exclude")
    table.refuse_unknown(("archive", "kind", *FILES_KEYS, "folders", "exclude"))
    if len(table.problems) > before or archive is None:
        return None
    return AccountSettings(
        name=name,
        archive=archive,
        kind="files",
        host="",
        user="",
        folders=folders,
        exclude=exclude,
        path=path,
        form=cast(MboxForm | None, form or None),
    )


def _security(table: Table) -> Security:
    starttls, plaintext = table.flag("starttls"), table.flag("insecure-plaintext")
    if starttls and plaintext:
        table.problem("insecure-plaintext", 'contradicts "starttls"; keep one of them')
    if starttls:
        return Security.STARTTLS
    return Security.PLAINTEXT if plaintext else Security.TLS


def _refuse_passwords(table: Table) -> None:
    if "password" in table.raw:
        table.problem(
            "password",
            'a password does not belong in this file; remove it, and use "password-command", '
            '"password-keyring" or "password-file"',
        )
    sources = [key for key in (*PASSWORD_KEYS, "oauth") if table.raw.get(key) not in (None, False)]
    if len(sources) > 1:
        listed = " and ".join(f'"{key}"' for key in sources)
        table.problem(sources[1], f"{listed} are set; keep one of them")
