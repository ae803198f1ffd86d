"""Check a configuration file and make settings of it: every problem is told, with the path of its key."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from archiver.config.settings import (
    AccountKind,
    AccountSettings,
    ArchiveSettings,
    Compression,
    MboxForm,
    PruneSettings,
    Security,
    Settings,
    did_you_mean,
)
from archiver.errors import ConfigInvalid, UsageError
from archiver.plan.select import parse_share, parse_size, parse_time

T = TypeVar("T")

COMPRESSIONS = ("default", "long")
KINDS = ("imap", "pop3", "exchange", "files")
SUPPORTED_KINDS = ("imap", "files")
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
    "starttls",
    "insecure-plaintext",
    "ca-file",
    "timeout-s",
    "folders",
    "exclude",
    *FILES_KEYS,
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
# A name becomes part of file names and of command lines.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[^\s/@]+")
_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def load(path: Path) -> Settings:
    """Read the configuration file; one that is not there is empty. Raises `ConfigInvalid`."""
    return parse(read(path), path)


def parse(raw: bytes, path: Path) -> Settings:
    """Check the content of a configuration file. Raises `ConfigInvalid`.

    `path` is for texts, and its folder is what relative paths start from.
    """
    top = _Table("", decode(raw, path), path.parent)
    archives = [_archive(name, table) for name, table in top.tables("archive")]
    group = top.raw.get("archive")
    named = set(group) if isinstance(group, dict) else set()
    accounts = [_account(name, table, named) for name, table in top.tables("account")]
    top.refuse_unknown(("archive", "account"))
    if top.problems:
        count = "1 problem" if len(top.problems) == 1 else f"{len(top.problems)} problems"
        raise ConfigInvalid("\n  ".join([f'"{path}" has {count}:', *top.problems]))
    return Settings(
        path,
        {each.name: each for each in archives if each is not None},
        {each.name: each for each in accounts if each is not None},
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


class _Table:
    """A table of the file, read key by key. What is wrong is noted, not raised; notes quote no free text."""

    def __init__(self, at: str, raw: dict[str, Any], folder: Path, problems: list[str] | None = None) -> None:
        self.at = at
        self.raw = raw
        self.folder = folder
        self.problems: list[str] = [] if problems is None else problems

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self.at}.{key}: {text}" if self.at else f"{key}: {text}")

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for key in self.raw:
            if key not in known:
                self.problem(shown(key), f"unknown key{did_you_mean(key, known)}")

    def tables(self, key: str) -> Iterator[tuple[str, "_Table"]]:
        group = self.raw.get(key, {})
        if not isinstance(group, dict):
            self.problem(key, f"must be tables of the form [{key}.NAME]")
            return
        for name, raw in group.items():
            at = f"{key}.{shown(name)}"
            if not isinstance(raw, dict):
                self.problem(at, f"must be a table of the form [{key}.NAME]")
            elif not NAME.fullmatch(name):
                self.problem(at, "a name is up to 64 letters, digits, dots, hyphens and underscores")
            else:
                yield name, _Table(at, raw, self.folder, self.problems)

    def _typed(self, key: str, wanted: type) -> Any:
        value = self.raw.get(key)
        # bool is an int to Python, and is not one to TOML
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if value is None or (fits and (wanted is bool or not isinstance(value, bool))):
            return value
        self.problem(key, f"must be {_TYPE_NAMES[wanted]}")
        return None

    def text(self, key: str, *, required: bool = False) -> str | None:
        value: str | None = self._typed(key, str)
        if value is not None and (not value.strip() or "\0" in value):
            self.problem(key, "must not be empty" if not value.strip() else "must not hold a NUL")
            return None
        if required and key not in self.raw:
            self.problem(key, "missing")
        return value

    def choice(self, key: str, words: Sequence[str], default: str | None = None) -> str | None:
        value = self.text(key, required=default is None)
        if value is not None and value not in words:
            listed = ", ".join(f'"{word}"' for word in words)
            self.problem(key, f"must be one of {listed}{did_you_mean(value, words)}")
            return None
        return value or default

    def flag(self, key: str) -> bool:
        return bool(self._typed(key, bool))

    def number(self, key: str, wanted: type, low: float, high: float) -> Any:
        value = self._typed(key, wanted)
        if value is not None and not low <= value <= high:  # false for nan too
            self.problem(key, f"must be from {low} to {high}")
            return None
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self.problem(key, 'must be a list of texts, such as ["INBOX", "Archive/*"]')
            return ()
        return tuple(value)

    def understood(self, key: str, read: Callable[[str], T]) -> T | None:
        """Read a text by a rule that the command line has too; a rule's `UsageError` is the problem."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return read(value)
        except UsageError as error:
            self.problem(key, f"{error.text}; {error.hint}")
            return None

    def path(self, key: str, *, required: bool = False) -> Path | None:
        value = self.text(key, required=required)
        if value is None:
            return None
        try:
            return Path(os.path.normpath(self.folder / Path(value).expanduser()))
        except RuntimeError:
            self.problem(key, "names the home folder of a user that is not known")
            return None


def _archive(name: str, table: _Table) -> ArchiveSettings | None:
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


def _account(name: str, table: _Table, archives: set[str]) -> AccountSettings | None:
    before = len(table.problems)
    kind = table.choice("kind", KINDS)
    if kind is not None and kind not in SUPPORTED_KINDS:  # its keys are not known either
        listed = " and ".join(f'"{each}"' for each in SUPPORTED_KINDS)
        table.problem("kind", f'accounts of kind "{kind}" are not supported yet, only {listed} are')
        return None
    if kind == "files":
        return _files_account(name, table, archives)
    archive = _archive_of(table, archives)
    host = table.text("host", required=True)
    if host is not None and not _HOST.fullmatch(host):
        table.problem("host", 'must be a bare name or address, such as "imap.example.org"')
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
    prune = _prune(table)
    table.refuse_unknown((*(key for key in ACCOUNT_KEYS if key not in FILES_KEYS), "password"))
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
        folders=folders,
        exclude=exclude,
        daily_download_limit=limit,
        prune=prune,
    )


def _prune(account: _Table) -> PruneSettings:
    raw = account.raw.get("prune", {})
    if not isinstance(raw, dict):
        account.problem("prune", "must be a table of the form [account.NAME.prune]")
        return PruneSettings()
    table = _Table(f"{account.at}.prune", raw, account.folder, account.problems)
    table.refuse_unknown(PRUNE_KEYS)
    older_than, grace = table.text("older-than"), table.text("grace")
    for key, text in (("older-than", older_than), ("grace", grace)):
        if text is not None:
            table.understood(key, lambda text: parse_time(text, datetime.now(UTC)))
    if table.flag("expunge") and "trash" in raw:
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


def _archive_of(table: _Table, archives: set[str]) -> str | None:
    archive = table.text("archive", required=True)
    if archive is not None and archive not in archives:
        table.problem("archive", f"there is no [archive.{shown(archive)}]{did_you_mean(archive, archives)}")
    return archive


def _files_account(name: str, table: _Table, archives: set[str]) -> AccountSettings | None:
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


def _security(table: _Table) -> Security:
    starttls, plaintext = table.flag("starttls"), table.flag("insecure-plaintext")
    if starttls and plaintext:
        table.problem("insecure-plaintext", 'contradicts "starttls"; keep one of them')
    if starttls:
        return Security.STARTTLS
    return Security.PLAINTEXT if plaintext else Security.TLS


def _refuse_passwords(table: _Table) -> None:
    if "password" in table.raw:
        table.problem(
            "password",
            'a password does not belong in this file; remove it, and use "password-command", '
            '"password-keyring" or "password-file"',
        )
    sources = [key for key in PASSWORD_KEYS if table.raw.get(key) not in (None, False)]
    if len(sources) > 1:
        listed = " and ".join(f'"{key}"' for key in sources)
        table.problem(sources[1], f"{listed} are set; keep one of them")


def shown(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else repr(key).replace("'", '"')
