"""Read `[notify]` and `[notify.mail]`: who is told how a run ended, and on which way."""

from typing import cast
from urllib.parse import urlsplit

from archiver.config.settings import MailSettings, NotifySettings, Security
from archiver.config.table import Table
from archiver.plan.notify import REMIND_AFTER_DAYS, Occasion

OCCASIONS = ("failure", "warning", "always")
NOTIFY_KEYS = ("when", "remind-after-days", "mail", "command", "webhook", "ping", "prometheus-file")
_PASSWORDS = ("password-command", "password-file")
MAIL_KEYS = (
    "host",
    "port",
    "starttls",
    "insecure-plaintext",
    "ca-file",
    "user",
    *_PASSWORDS,
    "from",
    "to",
)


def read_notify(top: Table) -> NotifySettings | None:
    """Read the table; None where there is none. What is wrong is noted with the file."""
    table = top.below("notify", " of the form [notify]")
    if table is None:
        return None
    table.refuse_unknown(NOTIFY_KEYS)
    days = table.number("remind-after-days", int, 0, 3650)
    return NotifySettings(
        occasion=cast(Occasion, table.choice("when", OCCASIONS, "failure") or "failure"),
        mail=_mail(table),
        command=table.text("command"),
        webhook=_url(table, "webhook"),
        ping=_url(table, "ping"),
        prometheus_file=table.path("prometheus-file"),
        remind_after_days=REMIND_AFTER_DAYS if days is None else days,
    )


def _mail(notify: Table) -> MailSettings | None:
    table = notify.below("mail", " of the form [notify.mail]")
    if table is None:
        return None
    table.refuse_unknown((*MAIL_KEYS, "password"))
    if "password" in table.raw:
        table.problem(
            "password", 'a password does not belong in this file; remove it, and use "password-command"'
        )
    host, user = table.text("host", required=True), table.text("user")
    starttls, plaintext = table.flag("starttls"), table.flag("insecure-plaintext")
    if starttls and plaintext:
        table.problem("insecure-plaintext", 'contradicts "starttls"; keep one of them')
    passwords = [key for key in _PASSWORDS if key in table.raw]
    if len(passwords) > 1:
        table.problem(_PASSWORDS[1], f'"{_PASSWORDS[0]}" and "{_PASSWORDS[1]}" are set; keep one of them')
    if bool(passwords) != (user is not None):
        table.problem(
            *(("user", "missing") if passwords else (_PASSWORDS[0], f"missing, and so is {_PASSWORDS[1]}"))
        )
    security = Security.STARTTLS if starttls else Security.PLAINTEXT if plaintext else Security.TLS
    return MailSettings(
        host=host or "",
        port=table.number("port", int, 1, 65535) or {"tls": 465, "starttls": 587, "plaintext": 25}[security],
        security=security,
        ca_file=table.path("ca-file"),
        user=user,
        password_command=table.text(_PASSWORDS[0]),
        password_file=table.path(_PASSWORDS[1]),
        sender=_address(table, "from", table.text("from", required=True)) or "",
        to=_addresses(table),
    )


def _addresses(table: Table) -> tuple[str, ...]:
    raw = table.raw.get("to")
    listed = (raw,) if isinstance(raw, str) else table.texts("to")
    if not listed:
        table.problem("to", "missing")
    return tuple(each for each in listed if _address(table, "to", each))


def _address(table: Table, key: str, text: str | None) -> str | None:
    if text is None:
        return None
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain or not text.isprintable() or set(text) & set(' <>,;:"()[]\\'):
        table.problem(key, 'must be bare addresses, such as "ann@example.org"')
        return None
    return text


def _url(table: Table, key: str) -> str | None:
    url = table.text(key)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or not url.isprintable() or " " in url:
        table.problem(key, 'must be an address that begins with "https://" or "http://"')
    return url
