"""`[notify]`: each way has its keys, and no password stands in the file."""

from pathlib import Path

import pytest

from archiver import config
from archiver.config import MailSettings, NotifySettings, Security
from archiver.errors import ConfigInvalid

HERE = Path("/etc/archiver/config.toml")
MAIL = 'host = "smtp.example.org"\nfrom = "box@example.org"\nto = "ann@example.org"'


def parse(text: str) -> NotifySettings:
    found = config.parse(f"[notify]\n{text}".encode(), HERE).notify
    assert found is not None
    return found


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        config.parse(text.encode(), HERE)
    return caught.value.text.split("\n  ")[1:]


def mail_problems(text: str) -> list[str]:
    return [each.removeprefix("notify.mail.") for each in problems(f"[notify.mail]\n{text}")]


def test_without_the_table_nobody_is_told() -> None:
    assert config.parse(b"", HERE).notify is None
    assert parse("") == NotifySettings()


def test_every_way_is_read() -> None:
    found = parse(
        'when = "always"\ncommand = "logger"\nwebhook = "https://example.org/hook"\n'
        'ping = "http://127.0.0.1:8000/uuid"\nprometheus-file = "archiver.prom"'
    )
    assert found == NotifySettings(
        "always",
        None,
        "logger",
        "https://example.org/hook",
        "http://127.0.0.1:8000/uuid",
        HERE.parent / "archiver.prom",
    )


@pytest.mark.parametrize(
    ("more", "security", "port"),
    [
        ("", Security.TLS, 465),
        ("starttls = true", Security.STARTTLS, 587),
        ("insecure-plaintext = true", Security.PLAINTEXT, 25),
        ("starttls = true\nport = 2525", Security.STARTTLS, 2525),
    ],
)
def test_the_port_of_a_mail_server_follows_its_line(more: str, security: Security, port: int) -> None:
    found = parse(f"[notify.mail]\n{MAIL}\n{more}").mail
    assert found == MailSettings("smtp.example.org", port, security, "box@example.org", ("ann@example.org",))


def test_a_mail_may_go_to_several_and_after_a_login() -> None:
    text = MAIL.replace('"ann@example.org"', '["ann@example.org", "bob@example.org"]')
    found = parse(f'[notify.mail]\n{text}\nuser = "ann"\npassword-file = "pw"').mail
    assert found is not None
    assert found.to == ("ann@example.org", "bob@example.org")
    assert (found.user, found.password_file) == ("ann", HERE.parent / "pw")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("notify = 3", "notify: must be a table of the form [notify]"),
        ("[notify]\nmail = 3", "notify.mail: must be a table of the form [notify.mail]"),
        ('[notify]\nwhen = "never"', 'notify.when: must be one of "failure", "warning", "always"'),
        ('[notify]\npings = "x"', 'notify.pings: unknown key, did you mean "ping"?'),
        *(
            (
                f"[notify]\nping = {url!r}",
                'notify.ping: must be an address that begins with "https://" or "http://"',
            )
            for url in (
                "file:///etc/passwd",
                "example.org",
                "https://",
                "https://a b/",
                "ftp://example.org",
                "http://[",
            )
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key(text: str, problem: str) -> None:
    assert problems(text) == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (MAIL.replace("host", "#"), "host: missing"),
        (MAIL.replace("from", "#"), "from: missing"),
        (MAIL.replace("to =", "# "), "to: missing"),
        (f'{MAIL}\nuser = "ann"', "password-command: missing, and so is password-file"),
        (f'{MAIL}\npassword-file = "pw"', "user: missing"),
        (
            f"{MAIL}\nstarttls = true\ninsecure-plaintext = true",
            'insecure-plaintext: contradicts "starttls"; keep one of them',
        ),
    ],
)
def test_what_is_wrong_with_the_mail_is_told(text: str, problem: str) -> None:
    assert mail_problems(text) == [problem]


@pytest.mark.parametrize(
    "address", ["ann", "Ann <ann@example.org>", "a@b\\nBcc: c@d", "@example.org", "a@b,c@d"]
)
def test_an_address_is_bare_so_that_no_header_can_be_added(address: str) -> None:
    text = MAIL.replace("ann@example.org", address)
    assert mail_problems(text) == ['to: must be bare addresses, such as "ann@example.org"']


def test_a_password_in_the_file_is_refused_and_not_repeated() -> None:
    found = mail_problems(f'{MAIL}\nuser = "ann"\npassword = "hunter2"\npassword-command = "pass"')
    assert len(found) == 1
    assert found[0].startswith("password: a password does not belong in this file")
    assert "hunter2" not in found[0]


def test_a_reminder_comes_after_a_week_or_as_it_is_set_or_never() -> None:
    assert parse("").remind_after_days == 7
    assert parse("remind-after-days = 30").remind_after_days == 30
    assert parse("remind-after-days = 0").remind_after_days == 0
    assert problems("[notify]\nremind-after-days = -1") == [
        "notify.remind-after-days: must be from 0 to 3650"
    ]
    assert problems("[notify]\nremind-after-days = true") == [
        "notify.remind-after-days: must be a whole number"
    ]


def test_when_an_account_is_overdue_is_read() -> None:
    assert config.parse(b"", HERE).warn.overdue_days == 3
    assert config.parse(b"[warn]", HERE).warn.overdue_days == 3
    assert config.parse(b"[warn]\noverdue-days = 0", HERE).warn.overdue_days == 0
    assert config.parse(b"[warn]\noverdue-days = 14", HERE).warn.overdue_days == 14
    assert problems("[warn]\noverdue-day = 1\n") == [
        'warn.overdue-day: unknown key, did you mean "overdue-days"?'
    ]
    assert problems("[warn]\noverdue-days = 1.5\n") == ["warn.overdue-days: must be a whole number"]
    assert problems("warn = 3") == ["warn: must be a table of the form [warn]"]
