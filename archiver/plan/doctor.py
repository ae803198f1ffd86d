"""What a check of doctor found, and how it is judged: pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from archiver.errors import ArchiverError, ConfigInvalid, LoginRefused, StoreFull, Untrusted
from archiver.plan.sign_in import Outlook, Standing

FULL_SHARE = 0.9
"""Of a disk in use: from here on it is warned of."""

NEEDED_BYTES = 64 << 20
"""Free space below which a run can end at any moment: about one checkpoint with its index."""

CERTIFICATE_SOON = timedelta(days=14)
KEY_OLD = timedelta(days=90)
CLOCK_SLACK = timedelta(minutes=5)
RECEIVED_SLACK = timedelta(days=1)
"""How far in the future a server may date a message: its zone may be wrong, and nothing else."""

_SHARED, _ALL = 0o070, 0o007
_WRITES = 0o022


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(Struct, frozen=True):
    """One thing that was looked at: `about` is whose it is, `hint` the remedy, `error` what failed, if it did."""

    name: str
    about: str
    state: State
    text: str
    hint: str | None = None
    error: ArchiverError | None = None


class Rights(Struct, frozen=True):
    """Who owns a file or a folder, and who may do what with it; `mode` as `stat` gives it."""

    path: str
    mode: int
    owner: int


class Space(Struct, frozen=True):
    """The room on a disk, in bytes; `free` is what this user may fill."""

    total: int
    free: int


def passed(name: str, about: str, text: str) -> Check:
    """Make a check that found nothing wrong."""
    return Check(name, about, State.OK, text)


def doubted(name: str, about: str, text: str, hint: str) -> Check:
    """Make a check that found what does not stop a run, and should be known."""
    return Check(name, about, State.WARN, text, hint)


def failed(name: str, about: str, error: ArchiverError) -> Check:
    """Make a check that found what stops a run, or what must not be so."""
    return Check(name, about, State.FAIL, error.text, error.hint, error)


def first_failure(checks: Sequence[Check]) -> Check | None:
    """Give the check that failed first, whose error ends the command; None where none failed."""
    return next((check for check in checks if check.error is not None), None)


def judge_rights(name: str, about: str, found: Rights, me: int, *, secret: bool) -> Check:
    """Judge who may read and write what is the user's own (`me`: a user id); `secret`: nobody else may read it."""
    quoted = f'"{found.path}"'
    only = "chmod go-rwx" if secret else "chmod go-w"
    remedy = f"{only} '{found.path}'"
    if found.owner not in (me, 0):
        text = f"{quoted} belongs to another user"
        return failed(
            name, about, ConfigInvalid(text, f"chown it to the user who runs archiver: '{found.path}'")
        )
    if found.mode & _WRITES & _ALL:
        return failed(name, about, ConfigInvalid(f"everybody on this machine may write to {quoted}", remedy))
    if secret and found.mode & _ALL:
        return failed(name, about, ConfigInvalid(f"everybody on this machine may read {quoted}", remedy))
    if found.mode & _WRITES:
        return doubted(name, about, f"a group may write to {quoted}", remedy)
    if secret and found.mode & _SHARED:
        return doubted(name, about, f"a group may read {quoted}", remedy)
    return passed(name, about, f"{quoted} is yours alone" if secret else f"only you may write to {quoted}")


def judge_space(about: str, where: str, found: Space) -> Check:
    """Judge the room on the disk of an archive."""
    used = 1 - found.free / found.total if found.total else 1.0
    text = f'the disk of "{where}" is {used:.0%} full, with {found.free / 1e9:,.1f} GB free'
    hint = "free some space there, or move the archive to a larger disk"
    if found.free < NEEDED_BYTES:
        return failed("space", about, StoreFull(text, hint))
    return doubted("space", about, text, hint) if used >= FULL_SHARE else passed("space", about, text)


def judge_certificate(about: str, host: str, until: datetime, now: datetime) -> Check:
    """Judge how long the certificate of a server is good for."""
    left = until - now
    if left <= timedelta(0):
        error = Untrusted(
            f'the certificate of "{host}" ended on {until:%Y-%m-%d}',
            "is the clock of this machine right? If so, tell whoever runs the server",
        )
        return failed("tls", about, error)
    text = f'the certificate of "{host}" is trusted, and good for {_days(left)} more'
    if left < CERTIFICATE_SOON:
        return doubted("tls", about, text, "whoever runs the server has to renew it")
    return passed("tls", about, text)


def judge_sign_in(account: str, found: Outlook) -> Check:
    """Judge how the sign-in of an account stands."""
    again = f"archiver account login {account}"
    dies = f"{found.dies.astimezone():%Y-%m-%d %H:%M}" if found.dies else "?"
    match found.standing:
        case Standing.NONE:
            return failed("sign-in", account, ConfigInvalid("nobody has signed in yet", again))
        case Standing.LOST:
            return failed("sign-in", account, LoginRefused(f"the sign-in is lost: {found.why}", again))
        case Standing.SOON if found.by_idling:
            text = f"the sign-in dies on {dies} unless it is used before"
            return doubted("sign-in", account, text, f"archiver pull {account}")
        case Standing.SOON:
            return doubted("sign-in", account, f"the sign-in dies on {dies}", again)
    until = f"good until {dies}" if found.dies else "good, without an end that is known"
    return passed("sign-in", account, f"the sign-in is {until}")


def judge_limit(account: str, left: int, limit: int) -> Check:
    """Judge what a daily download limit leaves, in bytes."""
    text = f"{max(left, 0) / 1e6:,.0f} of {limit / 1e6:,.0f} MB may be downloaded in the next hours"
    if left <= 0:
        hint = "a pull takes nothing until then: the limit counts the last 24 hours"
        return doubted("limit", account, f"the daily limit of {limit / 1e6:,.0f} MB is used up", hint)
    return passed("limit", account, text)


def judge_clock(about: str, now: datetime, last_run: datetime | None, newest: datetime | None) -> Check:
    """Judge this machine's clock by what it must be later than: the last run, the newest message of the server."""
    remedy = "set the clock of this machine, and let it be kept: timedatectl set-ntp true"
    if last_run is not None and last_run > now + CLOCK_SLACK:
        text = f"it is {_time(now)} here, and the last run was at {_time(last_run)}"
        return failed("clock", about, ArchiverError(text, remedy))
    if newest is not None and newest > now + RECEIVED_SLACK:
        text = f"it is {_time(now)} here, and a message was received at {_time(newest)}"
        return doubted("clock", about, text, f"if the server is right, {remedy}")
    return passed("clock", about, f"it is {_time(now)} here; nothing archived is of later")


def judge_key_age(about: str, tried: datetime, now: datetime) -> Check:
    """Judge when the owner key was opened last; a passphrase that is not used is forgotten."""
    how = "try it with: archiver doctor --key"
    ago = now - tried
    text = f"the owner key was last tried {_days(ago)} ago" if ago.days else "the owner key was tried today"
    return doubted("owner-key", about, text, how) if ago >= KEY_OLD else passed("owner-key", about, text)


def _days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days:,} days"


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
