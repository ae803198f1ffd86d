"""What the configuration says, as frozen values."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from archiver.errors import ConfigInvalid, UsageError
from archiver.plan.alerts import OVERDUE_DAYS
from archiver.plan.notify import REMIND_AFTER_DAYS, Occasion

Compression: TypeAlias = Literal["default", "long"]
AccountKind: TypeAlias = Literal["imap", "pop3", "exchange", "files"]
OAuthProvider: TypeAlias = Literal["microsoft", "google", "generic"]
TokenStore: TypeAlias = Literal["auto", "keyring", "sealed"]
MboxForm: TypeAlias = Literal["mboxo", "mboxrd", "mboxcl", "mboxcl2"]


class Security(StrEnum):
    """How the line to a server is protected."""

    TLS = "tls"
    STARTTLS = "starttls"
    PLAINTEXT = "plaintext"


class ArchiveSettings(Struct, frozen=True):
    """One `[archive.NAME]`: where an archive lies and how hard it is compressed."""

    name: str
    path: Path
    compression: Compression = "default"


class PruneSettings(Struct, frozen=True):
    """One `[account.NAME.prune]`: what `archiver prune NAME` removes without options. Sizes are bytes.

    `older_than` and `grace` are as typed, such as `1y` or `7d`: they count from the moment of the run.
    """

    older_than: str | None = None
    larger_than: int | None = None
    keep_last: int | None = None
    folders: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    flagged: bool = False
    drafts: bool = False
    unread: bool = False
    refetch: bool = False
    expunge: bool = False
    trash: str | None = None
    grace: str | None = None
    allow_empty: tuple[str, ...] = ()
    max_share: float | None = None
    scheduled: bool = False


class OAuthSettings(Struct, frozen=True):
    """One `[account.NAME.oauth]`: with whom to sign in, and as which program.

    The addresses are those of a `generic` provider; of the others archiver knows them. `authority` is where Microsoft's
    sign-in is, None that of its public cloud. `store` "auto" means the
    keyring where there is one, else a sealed file. `sign_in_days` is how long a sign-in lives whatever happens.
    With a certificate (PEM, its key with it) the program signs in as itself, and nobody has to.
    """

    provider: OAuthProvider
    client_id: str
    client_secret_command: str | None = None
    client_secret_file: Path | None = None
    client_certificate_file: Path | None = None
    tenant: str = "common"
    authority: str | None = None
    scopes: tuple[str, ...] = ()
    authorize_url: str | None = None
    device_url: str | None = None
    token_url: str | None = None
    sign_in_days: int | None = None
    store: TokenStore = "auto"


class ExchangeSettings(Struct, frozen=True):
    """What an `[account.NAME]` of kind "exchange" has beyond the others.

    `backend` "auto" is Graph for Exchange Online, else EWS. `url` is the endpoint of EWS, found once when the
    account is added; `sign_in` how one logs in there, "auto" as the server asks. `mailbox` is the address of
    another mailbox than the user's own. `export` says whether each item's full-fidelity export is archived.
    """

    backend: Literal["auto", "ews", "graph"] = "auto"
    url: str | None = None
    sign_in: Literal["auto", "basic", "ntlm", "kerberos", "oauth"] = "auto"
    mailbox: str | None = None
    archive_mailbox: bool = False
    public_folders: bool = False
    export: bool = True


class AccountSettings(Struct, frozen=True):
    """One `[account.NAME]`. Without a password source, a credential of systemd or a prompt is used.

    `port` None means the usual one for `kind` and `security`. `folders` and `exclude` are globs; no folders
    means all of them. Mail in files has a `path` and no host, no user; `form` is the dialect of its mbox files.
    """

    name: str
    archive: str
    kind: AccountKind
    host: str
    user: str
    port: int | None = None
    security: Security = Security.TLS
    ca_file: Path | None = None
    timeout_s: float = 60.0
    password_command: str | None = None
    password_file: Path | None = None
    password_keyring: bool = False
    oauth: OAuthSettings | None = None
    folders: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    path: Path | None = None
    form: MboxForm | None = None
    daily_download_limit: int | None = None  # bytes
    prune: PruneSettings = PruneSettings()
    exchange: ExchangeSettings | None = None

    @property
    def by_ticket(self) -> bool:
        """Whether a ticket of Kerberos takes the place of a password."""
        return self.exchange is not None and self.exchange.sign_in == "kerberos"


class MailSettings(Struct, frozen=True):
    """`[notify.mail]`: the server that takes notices, and whose they are. Without a `user` nobody logs in."""

    host: str
    port: int
    security: Security
    sender: str
    to: tuple[str, ...]
    ca_file: Path | None = None
    user: str | None = None
    password_command: str | None = None
    password_file: Path | None = None


class NotifySettings(Struct, frozen=True):
    """`[notify]`: when notices are sent, and on which ways. What lasts is told again after some days; 0: never."""

    occasion: Occasion = "failure"
    mail: MailSettings | None = None
    command: str | None = None
    webhook: str | None = None
    ping: str | None = None
    prometheus_file: Path | None = None
    remind_after_days: int = REMIND_AFTER_DAYS


class WarnSettings(Struct, frozen=True):
    """`[warn]`: after how many days without a pull that ended well an account is warned of; 0: never."""

    overdue_days: int = OVERDUE_DAYS


class PullSettings(Struct, frozen=True):
    """`[pull]`: how many accounts at a time, and how patient a pull is; what is not set, options or defaults say.

    `retry_lock_s` is in seconds.
    """

    jobs: int | None = None
    jobs_per_host: int | None = None
    retry: int | None = None
    retry_lock_s: float | None = None


class Settings(Struct, frozen=True):
    """What the configuration file at `path` says; empty where there is no file."""

    path: Path
    archives: Mapping[str, ArchiveSettings]
    accounts: Mapping[str, AccountSettings]
    notify: NotifySettings | None = None
    warn: WarnSettings = WarnSettings()
    pull: PullSettings = PullSettings()

    def archive(self, name: str) -> ArchiveSettings:
        """Find an archive by its name. Raises `UsageError` for one that is not configured."""
        if name not in self.archives:
            raise self._unknown("archive", name, self.archives, "archiver init PATH")
        return self.archives[name]

    def account(self, name: str) -> AccountSettings:
        """Find an account by its name. Raises `UsageError` for one that is not configured."""
        if name not in self.accounts:
            raise self._unknown("account", name, self.accounts, f"archiver account add {name}")
        return self.accounts[name]

    def chosen(self, names: Sequence[str]) -> list[AccountSettings]:
        """Find several accounts; no name means all. Raises `ConfigInvalid` if there is none at all."""
        if not names and not self.accounts:
            raise ConfigInvalid(
                f'no account is configured in "{self.path}"', "add one with: archiver account add NAME"
            )
        return [self.account(name) for name in dict.fromkeys(names or self.accounts)]

    def _unknown(self, what: str, name: str, known: Iterable[str], remedy: str) -> UsageError:
        guess = did_you_mean(name, known)
        return UsageError(f'there is no {what} "{name}" in "{self.path}"{guess}', f"add it with: {remedy}")


def did_you_mean(word: str, known: Iterable[str], *, cases: bool = False) -> str:
    """Guess which of the known words was meant, as the end of a sentence; empty if none is close.

    Known words are lower case and hyphened but where `cases` says otherwise.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    if cases:
        spelt = {each.lower(): each for each in known}
        close = [spelt[each] for each in get_close_matches(word.lower(), list(spelt), 1)]
    else:
        close = get_close_matches(word.lower().replace("_", "-"), list(known), 1)
    return f', did you mean "{close[0]}"?' if close else ""
