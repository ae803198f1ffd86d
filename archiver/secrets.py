"""The only reader of secrets: credentials, commands, files, the keyring, a prompt.

Nothing here puts a secret into an argument, a log or the text of an error, and no question is asked where nobody
sits at a terminal.
"""

import logging
import os
import stat
import sys
from pathlib import Path

from archiver.config import AccountSettings, MailSettings
from archiver.errors import ConfigInvalid, UsageError
from archiver.model import Secret

COMMAND_TIMEOUT_S = 300.0  # long enough to type the master password of a password manager
FILE_LIMIT_BYTES = 64 * 1024
# These are the names of drawers, not what is in them
PASSPHRASE_SERVICE = "archiver"  # noqa: S105
PASSWORD_SERVICE = "archiver-account"  # noqa: S105
TOKEN_SERVICE = "archiver-sign-in"  # noqa: S105
PROMPT_TRIES = 3

_log = logging.getLogger(__name__)

__all__ = [
    "NoSecret",
    "account_password",
    "can_prompt",
    "client_certificate",
    "client_secret",
    "forget_passphrase",
    "forget_password",
    "forget_token",
    "keyring_holds",
    "new_passphrase",
    "notice_password",
    "owner_passphrase",
    "passphrase_is_kept",
    "passphrase_is_typed",
    "password_is_typed",
    "remember_passphrase",
    "remember_password",
    "remember_token",
    "remembered_token",
    "typed_password",
]


class NoSecret(ConfigInvalid):
    """No source of a secret was given, and nobody can be asked."""


# --- what is asked for ---------------------------------------------------------------------------------


def account_password(account: AccountSettings) -> Secret:
    """Get the password of an account. Raises `ConfigInvalid` if no source gives one.

    A systemd credential `NAME.password` goes first, then the source that the configuration names; without one,
    the terminal is asked.
    """
    label = f'password of account "{account.name}"'
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (credential := Path(credentials) / f"{account.name}.password").exists():
        return _from_file(label, credential, private=False)  # systemd guards the folder
    if account.password_command is not None:
        return _from_command(label, account.password_command)
    if account.password_file is not None:
        return _from_file(label, account.password_file)
    if account.password_keyring:
        return _required_from_keyring(label, account.name)
    if can_prompt():
        return typed_password(account)
    raise NoSecret(
        f"there is no {label}, and no terminal to ask at",
        f"set password-command, password-keyring or password-file in [account.{account.name}], "
        f"or give the systemd credential {account.name}.password",
    )


def password_is_typed(account: AccountSettings) -> bool:
    """Tell whether `account_password` would ask at the terminal."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if account.path is not None or account.oauth is not None or account.by_ticket or account.password_keyring:
        return False
    if credentials and (Path(credentials) / f"{account.name}.password").exists():
        return False
    return account.password_command is None and account.password_file is None and can_prompt()


def client_secret(account: AccountSettings) -> Secret | None:
    """Get the client secret of an account's sign-in; None where none is configured. Raises `ConfigInvalid`."""
    label = f'client secret of account "{account.name}"'
    if account.oauth is None:
        return None
    if account.oauth.client_secret_command is not None:
        return _from_command(label, account.oauth.client_secret_command)
    if account.oauth.client_secret_file is not None:
        return _from_file(label, account.oauth.client_secret_file)
    return None


def client_certificate(account: AccountSettings) -> bytes:
    """Read the certificate that an account is signed in to by, with its key (PEM). Raises `ConfigInvalid`."""
    label = f'certificate of account "{account.name}"'
    if account.oauth is None or account.oauth.client_certificate_file is None:
        raise NoSecret(
            f"there is no {label}", f"set client-certificate-file in [account.{account.name}.oauth]"
        )
    return _read_file(label, account.oauth.client_certificate_file)


def notice_password(mail: MailSettings) -> Secret:
    """Get the password of the server that takes notices. Raises `ConfigInvalid`."""
    label = "password of [notify.mail]"
    if mail.password_command is not None:
        return _from_command(label, mail.password_command)
    if mail.password_file is not None:
        return _from_file(label, mail.password_file)
    raise NoSecret(f"there is no {label}", "set password-command or password-file there")


def typed_password(account: AccountSettings) -> Secret:
    """Ask for the password of an account. Raises `ConfigInvalid` if none is typed."""
    return _ask(f"Password of {account.user} at {account.host}: ", f'password of account "{account.name}"')


def keyring_holds(account: str) -> bool:
    """Tell whether the keyring holds an account's password. Raises `ConfigInvalid` if there is no keyring."""
    return _from_keyring(PASSWORD_SERVICE, account) is not None


def owner_passphrase(archive_id: str, name: str, *, command: str | None = None) -> Secret:
    """Get the passphrase of an archive's owner key; `name` is what the user calls the archive.

    In this order: `command` (`--passphrase-command`), ARCHIVER_PASSPHRASE_COMMAND, ARCHIVER_PASSPHRASE_FILE, the
    keyring after `archiver key remember`, a prompt. Raises `ConfigInvalid` if none gives one.
    """
    label = f'passphrase of archive "{name}"'
    given = _given_passphrase(label, command) or _remembered(archive_id)
    if given is not None:
        return given
    if can_prompt():
        return _ask(f"Passphrase of archive {name}: ", label)
    raise _no_passphrase(label)


def passphrase_is_typed(archive_id: str, command: str | None) -> bool:
    """Tell whether `owner_passphrase` would ask at the terminal, so that a slip can be typed again."""
    environment = ("ARCHIVER_PASSPHRASE_COMMAND", "ARCHIVER_PASSPHRASE_FILE")
    given = command or any(os.environ.get(name) for name in environment)
    return not given and can_prompt() and _remembered(archive_id) is None


def passphrase_is_kept(archive_id: str) -> bool:
    """Tell whether the keyring keeps the passphrase of an archive's owner key, for runs at which nobody sits."""
    return _remembered(archive_id) is not None


def new_passphrase(name: str, *, command: str | None = None, replacing: bool = False) -> Secret:
    """Get a passphrase for a new owner key: as `owner_passphrase` does, but a prompt asks twice.

    One that replaces another comes from `command` or the prompt alone: the environment has the old one.
    Raises `ConfigInvalid` if there is none, and `UsageError` if what is typed never agrees.
    """
    label = f'passphrase of archive "{name}"'
    if replacing:
        given = _from_command(f"new {label}", command) if command else None
    else:
        given = _given_passphrase(label, command)
    if given is not None:
        return given
    if not can_prompt() and replacing:
        raise NoSecret(f"there is no new {label}, and no terminal to ask at", "use --new-passphrase-command")
    if not can_prompt():
        raise _no_passphrase(label)
    for _ in range(PROMPT_TRIES):
        first = _ask(f"New passphrase of archive {name}: ", label)
        if _ask("The same again: ", label).reveal() == first.reveal():
            return first
        print("the two differ; once more", file=sys.stderr)
    raise UsageError("no passphrase was typed twice alike", "start again, or use --passphrase-command")


def can_prompt() -> bool:
    """Tell whether somebody can be asked: never where standard input is no terminal."""
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # no stdin at all, or a closed one
        return False


def _given_passphrase(label: str, command: str | None) -> Secret | None:
    command = command or os.environ.get("ARCHIVER_PASSPHRASE_COMMAND")
    if command:
        return _from_command(label, command)
    file = os.environ.get("ARCHIVER_PASSPHRASE_FILE")
    return _from_file(label, Path(file).expanduser()) if file else None


def _no_passphrase(label: str) -> NoSecret:
    return NoSecret(
        f"there is no {label}, and no terminal to ask at",
        "use --passphrase-command, ARCHIVER_PASSPHRASE_COMMAND or ARCHIVER_PASSPHRASE_FILE, "
        "or let the keyring keep it: archiver key remember",
    )


# --- where it comes from -------------------------------------------------------------------------------


def _first_line(label: str, raw: bytes, source: str) -> Secret:
    try:
        secret = Secret(raw.partition(b"\n")[0].rstrip(b"\r").decode())
    except UnicodeDecodeError:
        raise ConfigInvalid(f"the {label} from {source} is not UTF-8 text", "store it as UTF-8") from None
    if not secret.reveal():
        raise ConfigInvalid(f"the {label} from {source} is empty", "it must be the first line")
    _log.debug("the %s comes from %s", label, source)
    return secret


def _from_command(label: str, command: str) -> Secret:
    import subprocess  # noqa: PLC0415 - not needed by most commands of archiver

    # Its errors go where ours go, so that the user sees why; its output is the secret and goes nowhere.
    stdin = None if can_prompt() else subprocess.DEVNULL
    with subprocess.Popen(command, shell=True, stdin=stdin, stdout=subprocess.PIPE) as process:  # noqa: S602
        try:
            raw, _ = process.communicate(timeout=COMMAND_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()  # what the command has started may hold the other end for ever
            raise ConfigInvalid(
                f"the command for the {label} gave no answer in {COMMAND_TIMEOUT_S:.0f} s",
                "run the command by hand to see what it waits for",
            ) from None
    if process.returncode != 0:
        ending = f"exit {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise ConfigInvalid(
            f"the command for the {label} failed ({ending})", "run the command by hand to see why"
        )
    return _first_line(label, raw, "its command")


def _from_file(label: str, path: Path, *, private: bool = True) -> Secret:
    return _first_line(label, _read_file(label, path, private=private), f'"{path}"')


def _read_file(label: str, path: Path, *, private: bool = True) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if private and stat.S_ISREG(mode) and mode & (stat.S_IROTH | stat.S_IWOTH):
                raise ConfigInvalid(
                    f'everybody on this machine can read the {label} in "{path}"', f"chmod 600 '{path}'"
                )
            return file.read(FILE_LIMIT_BYTES)
    except OSError as error:
        raise ConfigInvalid(
            f'the {label} cannot be read from "{path}": {error.strerror}', "check its path and rights"
        ) from error


def _ask(prompt: str, label: str) -> Secret:
    import getpass  # noqa: PLC0415 - loads termios, which no unattended run needs

    for _ in range(PROMPT_TRIES):
        try:
            secret = Secret(getpass.getpass(prompt))
        except (EOFError, OSError, UnicodeDecodeError):
            break
        if secret.reveal():
            return secret
        print("it must not be empty", file=sys.stderr)
    raise ConfigInvalid(f"no {label} was typed", "run again and type it")


# --- the keyring ---------------------------------------------------------------------------------------


def remember_password(account: str, secret: Secret) -> None:
    """Keep an account's password in the keyring of the desktop. Raises `ConfigInvalid` if there is none."""
    _to_keyring(PASSWORD_SERVICE, account, secret)


def forget_password(account: str) -> bool:
    """Remove an account's password from the keyring; tell whether it was there."""
    return _out_of_keyring(PASSWORD_SERVICE, account)


def remember_passphrase(archive_id: str, secret: Secret) -> None:
    """Keep the passphrase of an archive's owner key in the keyring. Raises `ConfigInvalid` if there is none."""
    _to_keyring(PASSPHRASE_SERVICE, archive_id, secret)


def forget_passphrase(archive_id: str) -> bool:
    """Remove the passphrase of an archive's owner key from the keyring; tell whether it was there."""
    return _out_of_keyring(PASSPHRASE_SERVICE, archive_id)


def remembered_token(account: str) -> Secret | None:
    """Get what the keyring holds of an account's sign-in. Raises `ConfigInvalid` if there is no keyring."""
    return _from_keyring(TOKEN_SERVICE, account)


def remember_token(account: str, secret: Secret) -> None:
    """Keep an account's sign-in in the keyring of the desktop. Raises `ConfigInvalid` if there is none."""
    _to_keyring(TOKEN_SERVICE, account, secret)


def forget_token(account: str) -> bool:
    """Remove an account's sign-in from the keyring; tell whether it was there."""
    return _out_of_keyring(TOKEN_SERVICE, account)


def _from_keyring(service: str, user: str) -> Secret | None:
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        raise _no_package() from None
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # back ends raise what they like: D-Bus errors, RuntimeError, their own
        raise _no_backend(error) from None
    return Secret(value) if value else None


def _required_from_keyring(label: str, account: str) -> Secret:
    secret = _from_keyring(PASSWORD_SERVICE, account)
    if secret is None:
        raise ConfigInvalid(
            f"the keyring has no {label}", f"put it there with: keyring set {PASSWORD_SERVICE} {account}"
        )
    return secret


def _remembered(archive_id: str) -> Secret | None:
    # Nobody has to have a keyring: without one, nothing was remembered.
    try:
        return _from_keyring(PASSPHRASE_SERVICE, archive_id)
    except ConfigInvalid as error:
        _log.debug("the keyring was not asked: %s", error.text)
        return None


def _to_keyring(service: str, user: str, secret: Secret) -> None:
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        raise _no_package() from None
    try:
        keyring.set_password(service, user, secret.reveal())
    except Exception as error:  # as above
        raise _no_backend(error) from None


def _out_of_keyring(service: str, user: str) -> bool:
    if _from_keyring(service, user) is None:
        return False
    import keyring  # noqa: PLC0415 - an extra, and slow to load

    try:
        keyring.delete_password(service, user)
    except Exception as error:  # as above
        raise _no_backend(error) from None
    return True


def _no_package() -> ConfigInvalid:
    return ConfigInvalid("the Python package keyring is not installed", "pip install 'archiver[keyring]'")


def _no_backend(error: Exception) -> ConfigInvalid:
    # The name of the error alone: some back ends quote what they were given.
    return ConfigInvalid(
        f"the keyring of this desktop cannot be used ({type(error).__name__})",
        "unlock it, or use another source: see python -m keyring --list-backends",
    )
