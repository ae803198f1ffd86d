"""A mailbox of Exchange with an item of each kind, words that make an account of it, and commands that are killed."""

import os
import signal
from datetime import UTC, datetime
from subprocess import Popen

from tests.command_line import CommandLine
from tests.servers.ews.builder import Owner
from tests.servers.ews.server import EwsDouble

ADDRESS = "ann@example.com"
LATER = datetime(2026, 3, 31, 12, tzinfo=UTC)
PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
MAIL = b"""From: Bob <bob@example.org>
To: ann@example.com
Subject: hello
Message-ID: <hello@example.org>
Date: Mon, 02 Mar 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=here-and-there

--here-and-there
Content-Type: text/plain

plain words
--here-and-there
Content-Type: application/pdf; name=a.pdf
Content-Disposition: attachment; filename=a.pdf
Content-Transfer-Encoding: base64

JVBERg==
--here-and-there--
""".replace(b"\n", b"\r\n")


def fill(owner: Owner) -> None:
    """Put in what a round trip is tried with; the series is weekly over the change of the clock in Berlin."""
    owner.folder("inbox").deliver(MAIL, read=True, received=datetime(2026, 3, 2, 9, tzinfo=UTC))
    calendar = owner.folder("calendar")
    first = datetime(2026, 3, 16, 8, 30, tzinfo=UTC)  # 9:30 in Berlin, also when the clock has gone forward
    series = calendar.add_event(
        "Jour fixe", first, rule="FREQ=WEEKLY;BYDAY=MO;COUNT=6", location="Room 1", reminder=15
    )
    calendar.modify_occurrence(
        series,
        datetime(2026, 3, 30, 7, 30, tzinfo=UTC),
        datetime(2026, 3, 31, 12, tzinfo=UTC),
        "Jour fixe, late",
    )
    calendar.delete_occurrence(series, datetime(2026, 3, 23, 8, 30, tzinfo=UTC))
    # midnight to midnight in Berlin, where 29 March 2026 has 23 hours
    calendar.add_event("Spring", datetime(2026, 3, 28, 23, tzinfo=UTC), 23 * 60, all_day=True)
    meeting = calendar.add_event(
        "Budget; Überblick",
        datetime(2026, 4, 1, 12, tzinfo=UTC),
        attendees=("bob@example.org", "eve@example.net"),
    )
    calendar.attach(meeting, "figures.txt", b"1, 2, 3", "text/plain")
    contacts = owner.folder("contacts")
    contacts.add_contact(
        "Jürgen",
        "Müller",
        addresses=("j@example.org", "jm@example.net"),
        phones={"MobilePhone": "+49 170 1", "BusinessFax": "+49 30 2"},
        home={"Street": "Hauptstr. 1", "City": "Köln", "PostalCode": "50667"},
        photo=PHOTO,
    )
    contacts.add_list("Team", ("ann@example.com", "bob@example.org"))
    owner.folder("tasks").add_task(
        "Tidy up", datetime(2026, 5, 4, tzinfo=UTC), rule="FREQ=WEEKLY;BYDAY=MO;COUNT=3"
    )
    owner.folder("notes").add_note("shopping", "milk\nand \u202ebread")


def write_exchange(home: CommandLine, double: EwsDouble, name: str, address: str, more: str = "") -> None:
    """Write an account into the configuration, as `account add` does, without a login."""
    with home.config.open("a") as file:
        file.write(
            f'\n[account.{name}]\narchive = "mail"\nkind = "exchange"\nuser = "{address}"\nurl = "{double.url}"\n'
            f'insecure-plaintext = true\nsign-in = "basic"\npassword-command = "echo secret"\n{more}\n'
        )


class Killer:
    """Kills a command, once for each start, whenever it is called."""

    def __init__(self, home: CommandLine) -> None:
        self._home = home
        self._process: Popen[bytes] | None = None
        self.killed = 0

    def __call__(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self.killed += 1

    def until_it_ends(self, *words: str) -> None:
        """Type a command, until it comes to its end and is content."""
        for _ in range(20):
            self._process = self._home.start(*words)
            _, err = self._process.communicate(timeout=60)
            if self._process.returncode != -signal.SIGKILL:
                assert (self._process.returncode, err) == (0, b"")
                return
        raise AssertionError("it does not come any further")

    def notes(self) -> list[str]:
        """List what is noted of items that were being put in."""
        folder = self._home.home / "state" / "archiver" / "intents" / "new"
        return sorted(path.name for path in folder.iterdir())
