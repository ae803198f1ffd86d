"""The sign-ins of accounts: got once with a person, kept sealed or in the keyring, renewed without one.

What is sealed is encrypted to the writer key of this machine: a copy of the file, in a backup or elsewhere, tells
nothing; who has this user's files has the key too. A note beside it, without secrets, says when it will die.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from archiver import secrets
from archiver.accounts import oauth
from archiver.archive.machine import Machine
from archiver.config import AccountSettings, OAuthSettings, state_folder
from archiver.config.exchange import backend_of
from archiver.errors import ConfigInvalid, Locked, LoginRefused
from archiver.formats import age
from archiver.model import AccessToken, Secret
from archiver.plan.sign_in import SignIn

_log = logging.getLogger(__name__)

EARLY = timedelta(minutes=5)
"""An access token that dies within this is renewed: the login must not come too late."""

LONGEST = timedelta(days=1)
"""An access token that claims to live for longer is renewed by each run: the clock may have been wrong."""

LOCK_WAIT_S = 90.0


class Held(Struct, frozen=True):
    """The secrets of a sign-in."""

    refresh: Secret
    access: AccessToken
    access_until: datetime


class Show(Struct, frozen=True):
    """How a person is told what to do: `url` with the code to type there, or without one for a browser here."""

    browse: Callable[[str], None]
    code: Callable[[oauth.DeviceCode], None]


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


# --- what is asked for ---------------------------------------------------------------------------------


def sign_in(settings: AccountSettings, way: Literal["device", "browser"], show: Show) -> SignIn:
    """Sign in with a person, and keep what comes of it. Raises what `archiver.accounts.oauth` does."""
    provider = _provider(settings)
    _check_keeping(settings)
    if way == "device":
        code = oauth.begin_device(provider, now())
        show.code(code)
        granted = oauth.finish_device(provider, code, now, time.sleep)
    else:
        granted = oauth.sign_in_by_browser(provider, settings.user, show.browse, now)
    with _alone(settings):
        at = now()
        kept = _keep(settings, Held(granted.refresh, granted.access, granted.access_until))
        days = _oauth(settings).sign_in_days
        until = granted.refresh_until or (at + timedelta(days=days) if days else None)
        note = SignIn(at, at, until, provider.idle_s, None, kept, _client(settings))
        _note(settings, note)
        if kept == "keyring":  # what was kept elsewhere before goes last
            _folder().drop(f"{settings.name}.age")
        else:
            with suppress(ConfigInvalid):
                secrets.forget_token(settings.name)
    return note


def ways(settings: AccountSettings) -> tuple[Literal["device", "browser"], ...]:
    """Tell how one can sign in, the usual way first: with a code where there is one, as that works everywhere."""
    wanted, provider = _oauth(settings), _provider(settings, with_secret=False)
    if provider.authority is not None:
        has_secret = wanted.client_secret_command or wanted.client_secret_file
        return ("browser",) if has_secret else ("device", "browser")
    found: list[Literal["device", "browser"]] = []
    if provider.device_url:
        found.append("device")
    if provider.authorize_url:
        found.append("browser")
    return tuple(found)


def access_token(settings: AccountSettings, *, anew: bool = False, claims: str | None = None) -> AccessToken:
    """Give an access token that is good for now, renewed if need be, or `anew` whatever it is; no person is asked.

    `claims` is what a server wants of a new one. Raises `ConfigInvalid` where nobody has signed in, `SignInLost` where
    somebody has to again, and as `oauth.refreshed`.
    """

    def renew(claims: str | None = None) -> AccessToken:
        return access_token(settings, anew=True, claims=claims)

    if signs_in_as_program(settings):
        return AccessToken(_program_token(settings, claims, anew=anew).reveal(), renew)
    with _alone(settings):
        known, held = _known(settings), _held(settings)
        if known is None or held is None or known.client != _client(settings):
            raise ConfigInvalid(
                f'nobody has signed in to account "{settings.name}" yet',
                f"archiver account login {settings.name}",
            )
        if not anew and EARLY < held.access_until - now() <= LONGEST:
            return AccessToken(held.access.reveal(), renew)
        return AccessToken(_renewed(settings, known, held, claims).access.reveal(), renew)


def signs_in_as_program(settings: AccountSettings) -> bool:
    """Tell whether an account is signed in to by a certificate, without any person."""
    return settings.oauth is not None and settings.oauth.client_certificate_file is not None


def _program_token(settings: AccountSettings, claims: str | None, *, anew: bool) -> AccessToken:
    """Give the token of a program, which is kept nowhere but in memory: it gets another whenever it wants."""
    client = _client(settings)
    known = _programs.get(client)
    if anew or known is None or known[1] - now() <= EARLY:
        try:
            known = oauth.as_program(_provider(settings), secrets.client_certificate(settings), now(), claims)
        except LoginRefused as error:
            raise _for(settings, error) from None
        _programs[client] = known
    return known[0]


_programs: dict[str, tuple[AccessToken, datetime]] = {}


def look(settings: AccountSettings) -> SignIn | None:
    """Give what is known of an account's sign-in, without its secrets; None where nobody has signed in."""
    known = _known(settings)
    return known if known is not None and known.client == _client(settings) else None


def forget(account: str) -> bool:
    """Forget the sign-in of an account; tell whether there was one."""
    folder = _folder()
    text = folder.kept(f"{account}.json")
    kept = _decoded(text) if text else None
    if kept is not None and kept.kept == "keyring":
        secrets.forget_token(account)
    sealed = folder.drop(f"{account}.age")
    return folder.drop(f"{account}.json") or sealed


# --- renewing ------------------------------------------------------------------------------------------


def _renewed(settings: AccountSettings, known: SignIn, held: Held, claims: str | None) -> Held:
    _keep(settings, held, known.kept)  # a disk that takes nothing must be found before the old token is spent
    try:
        granted = oauth.refreshed(_provider(settings), held.refresh, now(), claims)
    except oauth.SignInLost as error:
        _note(settings, msgspec.structs.replace(known, lost=error.text))
        raise _for(settings, error) from None
    except LoginRefused as error:
        raise _for(settings, error) from None
    new = Held(granted.refresh, granted.access, granted.access_until)
    _keep(settings, new, known.kept)
    goes_on = granted.refresh is held.refresh or _oauth(settings).sign_in_days is not None
    until = granted.refresh_until or (known.until if goes_on else None)
    _note(settings, msgspec.structs.replace(known, used=now(), until=until, lost=None))
    _log.debug("the access token of %s was renewed", settings.name)
    return new


def _for(settings: AccountSettings, error: LoginRefused) -> LoginRefused:
    error.hint = (error.hint or "").replace("account login NAME", f"account login {settings.name}")
    return error.retold(f'the sign-in of account "{settings.name}" is of no use: {error.text}')


@contextmanager
def _alone(settings: AccountSettings) -> Iterator[None]:
    """Hold the sign-in against other runs, which would spend the same refresh token."""
    with ExitStack() as stack:
        try:
            stack.enter_context(_folder().lock(settings.name, LOCK_WAIT_S))
        except Locked:
            raise Locked(
                f'another run has been renewing the sign-in of account "{settings.name}" for too long',
                "wait for it to end; a run that has died holds no lock",
            ) from None
        yield


def _client(settings: AccountSettings) -> str:
    """Write down who signs in where, as what and for what: a sign-in is good for this alone."""
    wanted = _oauth(settings)
    cloud = f"{wanted.authority}/" if wanted.authority else ""
    where = wanted.token_url or f"{cloud}{wanted.tenant}"
    return " ".join((settings.user, wanted.provider, where, wanted.client_id, *wanted.scopes))


def _provider(settings: AccountSettings, *, with_secret: bool = True) -> oauth.Provider:
    wanted = _oauth(settings)
    secret = secrets.client_secret(settings) if with_secret else None
    scope = " ".join(wanted.scopes)
    if wanted.provider == "microsoft":
        what = settings.kind if settings.exchange is None else backend_of(settings.exchange)
        own_ca = settings.ca_file if wanted.authority else None  # else it is for the mail server alone
        return oauth.microsoft(
            wanted.client_id,
            secret,
            scope or None,
            what,
            f"{wanted.authority or oauth.PUBLIC_CLOUD}/{wanted.tenant}",
            ca_file=str(own_ca) if own_ca else None,
            program=signs_in_as_program(settings),
        )
    if wanted.provider == "google":
        return oauth.google(wanted.client_id, secret, scope or None)
    urls = {"token": wanted.token_url, "authorize": wanted.authorize_url, "device": wanted.device_url}
    return oauth.generic(wanted.client_id, secret, scope, urls)


def _oauth(settings: AccountSettings) -> OAuthSettings:
    if settings.oauth is None:
        raise ConfigInvalid(
            f'account "{settings.name}" does not sign in by OAuth',
            f"set [account.{settings.name}.oauth]; see docs/how-to/sign-in-with-oauth.md",
        )
    return settings.oauth


# --- keeping -------------------------------------------------------------------------------------------


def _folder() -> Machine:
    return Machine(state_folder() / "sign-in")


def _check_keeping(settings: AccountSettings) -> None:
    """Find out before a person signs in whether it could be kept."""
    if _oauth(settings).store == "sealed":
        _identity(settings)


def _keep(settings: AccountSettings, held: Held, where: str | None = None) -> str:
    """Keep the secrets, and tell where: in the keyring, or sealed. Once kept in one place, they stay there."""
    where = where or _oauth(settings).store
    text = json.dumps(
        {
            "refresh": held.refresh.reveal(),
            "access": held.access.reveal(),
            "access_until": held.access_until.isoformat(),
        }
    )
    if where != "sealed":
        try:
            secrets.remember_token(settings.name, Secret(text))
        except ConfigInvalid as error:
            if where == "keyring":
                raise
            _log.debug("the sign-in is sealed: %s", error.text)
        else:
            return "keyring"
    sealed = age.encrypt(text.encode(), [_identity(settings).recipient])
    _folder().keep(f"{settings.name}.age", age.encode_armor(sealed).decode("ascii"))
    return "sealed"


def _held(settings: AccountSettings) -> Held | None:
    known = _known(settings)
    if known is None:
        return None
    if known.kept == "keyring":
        secret = secrets.remembered_token(settings.name)
        text = None if secret is None else secret.reveal()
    else:
        text = _unsealed(settings)
    if text is None:
        return None
    try:
        told = json.loads(text)
        access_until = datetime.fromisoformat(told["access_until"])
        return Held(Secret(told["refresh"]), AccessToken(told["access"]), access_until)
    except (ValueError, KeyError, TypeError):
        raise _unreadable(settings) from None


def _unsealed(settings: AccountSettings) -> str | None:
    armored = _folder().kept(f"{settings.name}.age")
    if armored is None:
        return None
    try:
        return age.decrypt(age.decode_armor(armored.encode()), [_identity(settings)]).decode()
    except (age.BadArmor, age.BadHeader, age.BadMac, age.BadPayload, age.NoMatch, UnicodeDecodeError):
        raise _unreadable(settings) from None


def _unreadable(settings: AccountSettings) -> oauth.SignInLost:
    return oauth.SignInLost(
        f'the sign-in that is kept for account "{settings.name}" cannot be read: its file is damaged, or sealed to '
        "a writer key that is no more",
        f"sign in again: archiver account login {settings.name}",
    )


def _identity(settings: AccountSettings) -> age.Identity:
    state = state_folder()
    archive = Machine(state / "names").archive_named(settings.archive)
    writer = Machine(state / archive).writer() if archive else None
    if writer is None:
        raise ConfigInvalid(
            f'this machine has no writer key of archive "{settings.archive}" to seal a sign-in to',
            'let this machine write to the archive (archiver writer add), or set store to "keyring"',
        )
    return writer.identity


# --- the note beside it --------------------------------------------------------------------------------


def _note(settings: AccountSettings, note: SignIn) -> None:
    _folder().keep(f"{settings.name}.json", json.dumps(msgspec.to_builtins(note)) + "\n")


def _known(settings: AccountSettings) -> SignIn | None:
    text = _folder().kept(f"{settings.name}.json")
    return None if text is None else _decoded(text)


def _decoded(text: str) -> SignIn | None:
    try:
        return msgspec.json.decode(text, type=SignIn)
    except msgspec.MsgspecError:
        return None
