"""The line that `schedule install` writes, run by a real cron: mail is pulled, and a mail of cron means something."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Mailboxes, mail, write_account
from tests.command_line import ROOT, CommandLine
from tests.servers.cron import Cron
from tests.servers.dovecot import Dovecot

LATEST_S = 150  # cron looks at its clock once a minute


def night(
    make_home: Callable[..., CommandLine], server: Dovecot, mailboxes: Mailboxes, password: str = ""
) -> CommandLine:
    """Give a home with an account that has mail, its password in a file."""
    home = make_home()
    user = mailboxes.new()
    mailboxes.deliver(user, mail("one"), mail("two"))
    write_account(home, server, "ann", user)
    words = f'password-command = "echo {server.password}"'
    home.config.write_text(home.config.read_text().replace(words, 'password-file = "pw"'))
    (home.config.parent / "pw").write_text(password or server.password)
    (home.config.parent / "pw").chmod(0o600)
    return home


def reports(home: CommandLine) -> list[Path]:
    return sorted((home.home / "state" / "archiver" / "reports").glob("*.json"))


@pytest.mark.timeout(400)
def test_cron_pulls_says_nothing_without_news_and_mails_a_failure(
    make_home: Callable[..., CommandLine], server: Dovecot, mailboxes: Mailboxes, tmp_path: Path
) -> None:
    homes = {
        "news": night(make_home, server, mailboxes),
        "none": night(make_home, server, mailboxes),
        "fails": night(make_home, server, mailboxes, password="wrong"),
    }
    assert homes["none"]("pull", "-q").exit == 0
    before = {name: len(reports(home)) for name, home in homes.items()}
    at = datetime.now(UTC) + timedelta(seconds=90)  # not this very minute: there must be time to install
    crons: dict[str, Cron] = {}
    with ExitStack() as stack:
        for name, home in homes.items():
            words = ["schedule", "install", "--with", "cron", "--daily", f"{at:%H:%M}"]
            install = [sys.executable, "-m", "archiver", *words]
            lines = f"MAILTO=ann\nPYTHONPATH={ROOT}\n"
            cron = Cron(tmp_path / name, lines, install, home.environment, home.home)
            crons[name] = stack.enter_context(cron)
        until = time.monotonic() + LATEST_S
        while any(len(reports(home)) == before[name] for name, home in homes.items()):
            for cron in crons.values():
                if cron.ended and "ermi" in cron.said and "mount" in cron.said:
                    pytest.skip(f"this root may not make a mount namespace: {cron.said}")
                assert not cron.ended, cron.said
            assert time.monotonic() < until, [cron.said + cron.crontab for cron in crons.values()]
            time.sleep(0.5)
        time.sleep(3)  # for a mail, if there is one
        for name, cron in crons.items():
            line = next(line for line in cron.crontab.splitlines() if " pull " in line)
            assert line.startswith(f"{at.minute} {at.hour} * * *  "), name
            assert " -q --nice " in line
        mails = {name: cron.mails for name, cron in crons.items()}
    assert mails["news"] == mails["none"] == []
    assert len(homes["news"]("list", "ann", "--no-key", "--json").document["messages"]) == 2
    assert homes["none"]("status", "--json").document["accounts"][0]["head"]["seq"] == 1
    (told,) = mails["fails"]
    assert "\nTo: ann\n" in told
    head, _, said = told.partition("\n\n")
    assert " pull " in head, "the subject is the command"
    assert said.startswith("error: the server refused the login")
    assert said.count("\n") == 2, "the failure and its hint"
    assert "wrong" not in said
