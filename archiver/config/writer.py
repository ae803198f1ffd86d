"""Add to and take from the configuration file; what else stands there, comments too, is kept."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from archiver.config.places import private_folder
from archiver.config.reader import decode, parse, read
from archiver.config.settings import Settings
from archiver.config.table import NAME
from archiver.errors import ArchiverError, ConfigInvalid, UsageError

Value: TypeAlias = str | int | float | bool | Sequence[str] | Mapping[str, str] | None


def add_archive(path: Path, name: str, keys: Mapping[str, Value]) -> Settings:
    """Add `[archive.NAME]`; `keys` are spelled as in the file, None is left out.

    Gives the settings as they are now. Raises `UsageError` for a name that is taken, and `ConfigInvalid` for
    keys or values that the file could not hold; then nothing is written.
    """
    return _add(path, "archive", name, keys)


def check_archive(path: Path, name: str, keys: Mapping[str, Value]) -> Settings:
    """Give the settings as they would be after `add_archive`, which raises the same; writes nothing."""
    return parse(_with(path, "archive", name, keys).encode(), path)


def add_account(path: Path, name: str, keys: Mapping[str, Value]) -> Settings:
    """Add `[account.NAME]`, as `add_archive` does."""
    return _add(path, "account", name, keys)


def check_account(path: Path, name: str, keys: Mapping[str, Value]) -> Settings:
    """Give the settings as they would be after `add_account`, which raises the same; writes nothing."""
    return parse(_with(path, "account", name, keys).encode(), path)


def remove_account(path: Path, name: str) -> Settings:
    """Take `[account.NAME]` and its sub-tables out of the file; all else, comments too, stays as it is."""
    raw = read(path)
    parse(raw, path).account(name)
    wanted = decode(raw, path)
    del wanted["account"][name]
    left = _without(raw.decode(), name)
    # The cut is made by lines, so it is checked by meaning: no more and no less than the account is gone.
    try:
        meant = {"account": {}, **decode(left.encode(), path)} == {"account": {}, **wanted}
    except ConfigInvalid:
        meant = False
    if not meant:
        raise ConfigInvalid(
            f'"{path}" is written in a way that archiver does not edit',
            f"remove the account {name} with an editor",
        )
    return _write(path, left)


def _add(path: Path, what: str, name: str, keys: Mapping[str, Value]) -> Settings:
    return _write(path, _with(path, what, name, keys))


def _with(path: Path, what: str, name: str, keys: Mapping[str, Value]) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" cannot be the name of an {what}', "use letters, digits, dots, hyphens, underscores"
        )
    raw = read(path)
    settings = parse(raw, path)
    if name in (settings.archives if what == "archive" else settings.accounts):
        raise UsageError(f'there is an {what} "{name}" already in "{path}"', "choose another name")
    # A table may stand at the end of any file, so nothing of what is there has to be understood or touched.
    text = raw.decode()
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return text + gap + _rendered(what, name, keys)


def _rendered(what: str, name: str, keys: Mapping[str, Value]) -> str:
    import tomlkit  # noqa: PLC0415 - no reader of the file needs it

    table = tomlkit.table()
    for key, value in keys.items():
        if isinstance(value, Mapping):  # on one line, so that all keys of the account stay together
            table[key] = tomlkit.inline_table()
            table[key].update(value)
        elif value is not None:
            table[key] = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    document = tomlkit.document()
    document[what] = tomlkit.table(is_super_table=True)
    document[what][name] = table
    return tomlkit.dumps(document)


def _without(text: str, name: str) -> str:
    """Cut the tables of an account.

    Comments between an empty line and the next header are about what that header begins, and stay.
    """
    quoted = re.escape(name)
    header = re.compile(rf"""\s*\[\s*account\s*\.\s*(?:{quoted}|"{quoted}"|'{quoted}')\s*[\].]""")
    kept: list[str] = []
    cut: list[str] = []
    cutting = False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            if cutting:
                kept += _foreword(cut)
            cutting, cut = header.match(line) is not None, []
        (cut if cutting else kept).append(line)
    return "".join(kept)


def _foreword(cut: list[str]) -> list[str]:
    start = len(cut)
    while start and (not cut[start - 1].strip() or cut[start - 1].lstrip().startswith("#")):
        start -= 1
    trailing = cut[start:]
    gaps = [number for number, line in enumerate(trailing) if not line.strip()]
    return trailing[gaps[0] + 1 :] if gaps else []


def _write(path: Path, text: str) -> Settings:
    """Replace the file in one step, if it says something valid; a link to it stays a link."""
    import tempfile  # noqa: PLC0415 - slow to load, and only writing needs it

    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            "the configuration can hold only text that is valid Unicode", "use other words"
        ) from None
    settings = parse(raw, path)
    target = path.resolve()
    private_folder(target.parent)
    try:
        handle, temporary = tempfile.mkstemp(prefix=".config-", dir=target.parent)  # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ArchiverError(
            f'"{path}" cannot be written: {error.strerror}', "check its rights and its disk"
        ) from error
    return settings
