"""Every error a user can meet: a code word, an exit code, a scope, and a hint that says the remedy.

Text is written as age writes it: lower case, names quoted, no full stop. The hint is a line of its own.
What fails at one scope never stops the next wider one.
"""

from enum import IntEnum
from typing import ClassVar, Self


class Scope(IntEnum):
    """How far a failure reaches; wider is larger."""

    MESSAGE = 1
    FOLDER = 2
    ACCOUNT = 3
    RUN = 4


class ArchiverError(Exception):
    """A failure that is told to the user in one line, with a hint in a second one.

    `code` is stable and machine-readable (`--json`), `exit` is the exit code of the command line (see
    docs/reference/exit-codes.md), `transient` says that the same call may succeed later.
    """

    code: ClassVar[str] = "failed"
    exit: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.RUN
    transient: ClassVar[bool] = False
    remedy: ClassVar[str | None] = None  # the hint of those that bring none of their own

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint or self.remedy

    def retold(self, text: str) -> Self:
        """Say it with what a wider view knows; the hint stays."""
        self.text = text
        self.args = (text,)
        return self


class UsageError(ArchiverError):
    """The words of the command do not fit together."""

    code = "usage"
    exit = 2
    remedy = "see: archiver --help"


class Incomplete(ArchiverError):
    """Some messages or folders were missed; the archive is sound."""

    code = "incomplete"
    exit = 3


class NoArchive(ArchiverError):
    """There is no archive at that place."""

    code = "no-archive"
    exit = 10


class Locked(ArchiverError):
    """Another run holds the chain."""

    code = "locked"
    exit = 11


class WrongKey(ArchiverError):
    """The passphrase or the identity does not open this."""

    code = "wrong-key"
    exit = 12


class Damaged(ArchiverError):
    """Bytes are not what the signed chain, or their own format, says they must be."""

    code = "damaged"
    exit = 13
    remedy = "see what is affected with: archiver verify; then put the file back from a copy of the archive"


class RolledBack(Damaged):
    """The archive shows an older or another state than this machine has already seen."""

    code = "rolled-back"


class ConfigInvalid(ArchiverError):
    """The configuration cannot be used as it is."""

    code = "config-invalid"
    exit = 14
    remedy = "edit that file; its keys are described in docs/reference/configuration.md"


class Unreachable(ArchiverError):
    """The server cannot be reached, or is busy: try later."""

    code = "unreachable"
    exit = 20
    scope = Scope.ACCOUNT
    transient = True
    remedy = "try again later"


class Untrusted(ArchiverError):
    """The server's certificate is not trusted, or TLS could not be agreed."""

    code = "untrusted-certificate"
    exit = 20
    scope = Scope.ACCOUNT
    remedy = "check host, port, starttls and ca-file"


class LoginRefused(ArchiverError):
    """The server refused the user name or the secret."""

    code = "login-refused"
    exit = 21
    scope = Scope.ACCOUNT


class Forbidden(ArchiverError):
    """The server forbids this to this user (quota, rights, policy)."""

    code = "forbidden"
    exit = 22
    scope = Scope.ACCOUNT


class FolderRefused(ArchiverError):
    """The server does not open, or does not serve, one folder."""

    code = "folder-refused"
    exit = 3
    scope = Scope.FOLDER
    remedy = "the other folders are not affected; the next pull tries again"


class OtherMailbox(ArchiverError):
    """The mailbox is another one than the one this chain has archived."""

    code = "other-mailbox"
    exit = 23
    scope = Scope.ACCOUNT


class RefusedForSafety(ArchiverError):
    """archiver could do this, and will not."""

    code = "refused"
    exit = 24


class StoreFailed(ArchiverError):
    """The place where the archive is kept does not take or give bytes."""

    code = "store-failed"
    remedy = "check the disk of the archive and its rights"


class StoreFull(StoreFailed):
    """No space is left where the archive is kept."""

    code = "disk-full"


class StoreReadOnly(StoreFailed):
    """The place where the archive is kept may not be written."""

    code = "read-only"


class ObjectExists(StoreFailed):
    """An object of this key is there already, and was to be created."""

    code = "object-exists"
    remedy = "another run wrote to the archive at the same time: run again"


class ObjectMissing(Damaged):
    """An object that should be there is not."""

    code = "object-missing"


class Interrupted(ArchiverError):
    """The user, or the system, asked the run to stop; the archive is sound."""

    code = "interrupted"
    exit = 130
