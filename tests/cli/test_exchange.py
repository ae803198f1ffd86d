"""Accounts of Exchange as they are typed: add, pull, list, show, export, restore."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icalendar
import msgspec
import pytest
import vobject
from ical.calendar_stream import IcsCalendarStream

from archiver.formats.content_lines import unfolded
from archiver.formats.message import gist
from archiver.formats.record import is_record, unpack
from tests.cli.conftest import Mailboxes, write_account
from tests.cli.exchange import ADDRESS, PHOTO, fill, write_exchange
from tests.command_line import CommandLine
from tests.servers.authority import CLIENT_ID, TENANT, Authority
from tests.servers.dovecot import Dovecot
from tests.servers.ews.server import EwsDouble


@pytest.fixture
def office() -> Iterator[EwsDouble]:
    with EwsDouble() as double:
        fill(double.add_mailbox(ADDRESS))
        yield double


@pytest.fixture
def pulled(home: CommandLine, office: EwsDouble) -> CommandLine:
    write_exchange(home, office, "work", ADDRESS)
    done = home("pull", "-q")
    assert (done.exit, done.err) == (0, "")
    return home


def listed(home: CommandLine, name: str = "work") -> list[dict[str, Any]]:
    done = home("list", name, "--json")
    assert done.exit == 0, done.err
    found: list[dict[str, Any]] = done.document["messages"]
    return found


def shown(home: CommandLine, subject: str, *more: object) -> str:
    (one,) = [each["id"] for each in listed(home) if each["subject"] == subject]
    done = home("show", one, *more)
    assert done.exit == 0, done.err
    return done.text


# --- add ------------------------------------------------------------------------------------------------


def test_an_account_is_added_after_its_login_was_tried(home: CommandLine, office: EwsDouble) -> None:
    words = f"account add work --exchange {ADDRESS} --url {office.url} --insecure-plaintext --sign-in basic".split()
    done = home.typed(*words, "--password-command", "echo secret")
    assert done.exit == 0, done.err
    assert f'logged in to "127.0.0.1" as "{ADDRESS}"' in done.err
    assert "next: archiver pull work" in done.err
    (account,) = home("account", "list", "--json").document["accounts"]
    assert (account["kind"], account["user"], account["host"]) == ("exchange", ADDRESS, "127.0.0.1")
    assert home("pull").exit == 0


def test_a_refused_login_adds_nothing(home: CommandLine, office: EwsDouble) -> None:
    before = home.config.read_text()
    words = f"account add work --exchange {ADDRESS} --url {office.url} --insecure-plaintext --sign-in basic".split()
    done = home(*words, "--password-command", "echo wrong", "--json")
    assert done.error["code"] == "login-refused"
    assert home.config.read_text() == before


def test_a_mailbox_is_signed_in_to_at_microsoft_and_pulled_by_ews(home: CommandLine, tmp_path: Path) -> None:
    with Authority(tls=tmp_path, user=ADDRESS) as authority, EwsDouble(tls=tmp_path) as office:
        office.judge = authority.access.get
        fill(office.add_mailbox(ADDRESS))
        assert office.ca_file
        assert authority.ca_file
        both = tmp_path / "both.pem"
        both.write_bytes(office.ca_file.read_bytes() + authority.ca_file.read_bytes())
        words = f"account add work --exchange {ADDRESS} --url {office.url} --ca-file {both} --oauth microsoft"
        client = f"--client-id {CLIENT_ID} --tenant {TENANT} --authority {authority.microsoft}"
        done = home(*words.split(), *client.split())
        assert done.exit == 0, done.err
        done = home.typed("account", "login", "work")
        assert done.exit == 0, done.err
        (asked,) = authority.forms("/device")
        assert "https://outlook.office365.com/EWS.AccessAsUser.All" in asked["scope"].split()
        authority.access.clear()
        done = home.typed("pull", "-q")
        assert (done.exit, done.err) == (0, "")
        grants = [form["grant_type"].rpartition(":")[2] for form in authority.forms("/token")]
        assert grants == ["device_code", "refresh_token"]
        assert listed(home)


def test_an_account_of_exchange_online_has_no_address_of_a_server(home: CommandLine) -> None:
    words = f"account add online --exchange {ADDRESS} --oauth microsoft --client-id i --tenant example.org".split()
    done = home.typed(*words)
    assert done.exit == 0, done.err
    assert "next: archiver account login online" in done.err
    assert "url" not in home.config.read_text()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--exchange ann --url https://h/", '"ann" is no mail address'),
        (f"--exchange {ADDRESS} --imap h", "--imap does not go with --exchange"),
        ("--imap h --user u --mailbox a@b", "--mailbox goes with --exchange alone"),
        ("--files . --no-export", "--no-export goes with --exchange alone"),
        (f"--exchange {ADDRESS} --url http://h/", 'begins with "http://"'),
        (
            f"--exchange {ADDRESS} --oauth microsoft --client-id i --public-folders",
            "is not to be had by Graph",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(home: CommandLine, words: str, text: str) -> None:
    done = home("account", "add", "work", *words.split())
    assert done.exit != 0
    assert text in done.err


def test_a_server_that_nobody_knows_is_asked_for(home: CommandLine) -> None:
    words = ["account", "add", "work", "--exchange", "ann@nowhere.invalid", "--password-command"]
    done = home(*words, "echo secret")
    assert done.exit == 2
    assert "the server of ann@nowhere.invalid was not found" in done.err
    assert "--url https://" in done.err


# --- list and show --------------------------------------------------------------------------------------


def test_a_list_tells_what_each_item_is(pulled: CommandLine) -> None:
    kinds = {one["subject"]: one["kind"] for one in listed(pulled)}
    assert kinds == {
        "hello": "mail",
        "Jour fixe": "event",
        "Spring": "event",
        "Budget; Überblick": "event",
        "Jürgen Müller": "contact",
        "Team": "contact",
        "Tidy up": "task",
        "shopping": "note",
    }
    text = pulled("list", "work").text
    assert "(event)" in text
    assert "archiver.invalid" not in text


def test_a_mail_is_shown_as_the_mail_it_is(pulled: CommandLine, tmp_path: Path) -> None:
    text = shown(pulled, "hello")
    assert "plain words" in text
    assert "[attachment a.pdf" in text
    assert "item.json" not in text
    assert "X-Archiver-Item" not in shown(pulled, "hello", "--headers")
    shown(pulled, "hello", "--save-attachments", tmp_path / "files")
    assert [one.name for one in (tmp_path / "files").iterdir()] == ["a.pdf"]


def test_raw_is_the_record_as_it_is_archived(pulled: CommandLine) -> None:
    (one,) = [each for each in listed(pulled) if each["subject"] == "hello"]
    raw = pulled("show", one["id"], "--raw").out
    assert is_record(raw)
    record = unpack(raw)
    assert b"plain words" in record.body
    assert record.export is not None


def test_an_event_is_shown_in_words(pulled: CommandLine, tmp_path: Path) -> None:
    text = shown(pulled, "Jour fixe")
    assert "when: Mon 2026-03-16 09:30–10:30 (Europe/Berlin)" in text
    assert "repeats: every week on Monday, 6 times" in text
    assert "moved: Mon 2026-03-30 09:30 (Europe/Berlin) is Tue 2026-03-31 14:00" in text
    assert "left out: Mon 2026-03-23 09:30" in text
    assert "where: Room 1" in text
    assert "reminder: 15 minutes before" in text
    assert "when: Sun 2026-03-29\n" in shown(pulled, "Spring")
    meeting = shown(pulled, "Budget; Überblick")
    assert "attendee: bob@example.org" in meeting
    assert "[attachment figures.txt, text/plain, 7 B]" in meeting
    shown(pulled, "Budget; Überblick", "--save-attachments", tmp_path / "files")
    assert (tmp_path / "files" / "figures.txt").read_bytes() == b"1, 2, 3"


def test_contacts_lists_tasks_and_notes_are_shown_in_words_and_steer_no_terminal(pulled: CommandLine) -> None:
    text = shown(pulled, "Jürgen Müller")
    for line in ("name: Jürgen Müller", "e-mail: j@example.org", "phone: +49 170 1 (mobile)", "50667 Köln"):
        assert line in text
    assert "member: bob@example.org" in shown(pulled, "Team")
    assert "due: 2026-05-04" in shown(pulled, "Tidy up")
    note = shown(pulled, "shopping")
    assert "milk\n" in note
    assert "\u202e" not in note


# --- export ---------------------------------------------------------------------------------------------


def test_the_calendar_comes_out_as_other_libraries_read_it(pulled: CommandLine, tmp_path: Path) -> None:
    done = pulled("export", "work", "--to", "ics", tmp_path / "out", "--json")
    assert done.exit == 0, done.err
    assert done.document["left_out"] == {"mail": 1, "contact": 2, "note": 1}
    content = (tmp_path / "out" / "Calendar.ics").read_bytes()
    parsed = icalendar.Calendar.from_ical(content)
    assert {str(one["SUMMARY"]) for one in parsed.walk("VEVENT")} == {
        "Jour fixe",
        "Jour fixe, late",
        "Spring",
        "Budget; Überblick",
    }
    told = IcsCalendarStream.calendar_from_ics(content.decode())
    assert [f"{one.start:%m-%d %H:%M} {one.summary}" for one in told.timeline] == [
        "03-16 09:30 Jour fixe",
        "03-29 00:00 Spring",
        "03-31 14:00 Jour fixe, late",
        "04-01 14:00 Budget; Überblick",
        "04-06 09:30 Jour fixe",
        "04-13 09:30 Jour fixe",
        "04-20 09:30 Jour fixe",
    ]
    tasks: Any = icalendar.Calendar.from_ical((tmp_path / "out" / "Tasks.ics").read_bytes())
    (task,) = tasks.walk("VTODO")
    assert task["RRULE"]["COUNT"] == [3]


def test_the_address_book_comes_out_with_its_photo_and_its_list(pulled: CommandLine, tmp_path: Path) -> None:
    assert pulled("export", "work", "--to", "vcf", tmp_path / "out").exit == 0
    cards = {
        card.fn.value: card
        for card in vobject.readComponents((tmp_path / "out" / "Contacts.vcf").read_bytes().decode())
    }
    assert cards["Jürgen Müller"].photo.value == PHOTO
    assert {one.value for one in cards["Jürgen Müller"].contents["email"]} == {
        "j@example.org",
        "jm@example.net",
    }
    assert [one.value for one in cards["Team"].contents["member"]] == [
        "mailto:ann@example.com",
        "mailto:bob@example.org",
    ]


# --- restore --------------------------------------------------------------------------------------------


def test_mail_goes_to_an_imap_server_and_the_rest_is_told_with_its_remedy(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    user = mailboxes.new()
    write_account(pulled, server, "new", user)
    done = pulled("restore", "work", "--to", "new", "--json")
    assert done.exit == 0, done.err
    left = {one["kind"]: one["messages"] for one in done.document["left_out"]}
    assert left == {"event": 3, "contact": 2, "task": 1, "note": 1}
    assert sum(one["restored"] for one in done.document["folders"]) == 1
    raw = server.doveadm("fetch", "-u", user, "text", "mailbox", "INBOX").decode()
    assert "plain words" in raw
    assert "X-Archiver-Item" not in raw
    again = pulled("restore", "work", "--to", "new")
    assert "takes no events: 3 left out; as files: archiver export work --to ics PATH" in again.err
    assert "0 messages restored" in again.err


def test_mail_of_an_imap_server_goes_to_exchange_once(
    home: CommandLine, office: EwsDouble, server: Dovecot, mailboxes: Mailboxes
) -> None:
    user = mailboxes.new()
    mailboxes.deliver(user, b"From: a@b\r\nSubject: moved\r\nMessage-ID: <m@x>\r\n\r\nwords\r\n")
    write_account(home, server, "old", user)
    assert home("pull", "old", "-q").exit == 0
    office.add_mailbox("new@example.com")
    write_exchange(home, office, "new", "new@example.com")
    for restored in ("1 message restored", "0 messages restored"):
        done = home("restore", "old", "--to", "new")
        assert done.exit == 0, done.err
        assert restored in done.err
    assert home("pull", "new", "-q").exit == 0
    assert [one["subject"] for one in listed(home, "new")] == ["moved"]


# --- round trip -----------------------------------------------------------------------------------------


def record_of(home: CommandLine, name: str, subject: str) -> Any:
    (one,) = [each["id"] for each in listed(home, name) if each["subject"] == subject]
    return unpack(home("show", one, "--raw").out)


ANEW = {"created", "modified", "uid", "organizer"}
"""What a server gives an item anew when it takes one in."""

LOST = {"changed", "deleted"}
"""What the fields of a series cannot say, and its export does; a restore tells of it."""


def told(item: Any, without: set[str]) -> Any:
    """Give an item without some of its fields."""

    def rest(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rest(one) for key, one in value.items() if key not in without}
        return [rest(one) for one in value] if isinstance(value, list | tuple) else value

    return rest(msgspec.to_builtins(item))


@pytest.mark.parametrize("by_fields", [False, True])
def test_all_items_come_back_as_they_were(home: CommandLine, office: EwsDouble, by_fields: bool) -> None:
    """Pulled, restored to an empty mailbox, pulled again: the same items, by their export and by their fields."""
    more = "export = false" if by_fields else ""
    write_exchange(home, office, "work", ADDRESS, more)
    assert home("pull", "work", "-q").exit == 0
    office.add_mailbox("new@example.com")
    write_exchange(home, office, "new", "new@example.com", more)
    done = home("restore", "work", "--to", "new", "--json")
    assert done.exit == 0, done.err
    (report,) = [line for line in done.lines if line["type"] == "restored"]
    reasons = {one["reason"] for folder in report["folders"] for one in folder["altered"]}
    assert ("without its exceptions from the series" in reasons) is by_fields
    assert office.sent == []  # nobody was invited
    again = home("restore", "work", "--to", "new")
    assert "0 messages restored" in again.err
    assert home("pull", "new", "-q").exit == 0
    before, after = listed(home), listed(home, "new")
    known = [sorted((one["folder"], one["kind"], one["subject"]) for one in some) for some in (before, after)]
    assert known[0] == known[1]
    for one in before:
        was, now = (record_of(home, name, one["subject"]) for name in ("work", "new"))
        without = ANEW | LOST if by_fields else ANEW
        assert told(now.details.item, without) == told(was.details.item, without)
        assert [each.content for each in now.attachments] == [each.content for each in was.attachments]
        assert now.details.flags == was.details.flags
        if one["kind"] == "mail":
            assert gist(now.body) == gist(was.body)


def test_what_was_restored_is_exported_as_the_same_files(
    home: CommandLine, office: EwsDouble, tmp_path: Path
) -> None:
    """What other programs read of the items before and after is the same, but for ids and times of writing."""
    write_exchange(home, office, "work", ADDRESS)
    office.add_mailbox("new@example.com")
    write_exchange(home, office, "new", "new@example.com")
    assert home("pull", "work", "-q").exit == home("restore", "work", "--to", "new", "-q").exit == 0
    assert home("pull", "new", "-q").exit == 0
    found = []
    for name in ("work", "new"):
        for target in ("ics", "vcf", "txt"):
            assert home("export", name, "--to", target, tmp_path / name / target, "-q").exit == 0
        files = sorted(one for one in (tmp_path / name).rglob("*") if one.is_file())
        anew = (b"UID", b"DTSTAMP", b"CREATED", b"LAST-MODIFIED", b"REV", b"ORGANIZER")
        found.append(
            [
                sorted(line for line in unfolded(one.read_bytes()) if not line.startswith(anew))
                for one in files
            ]
        )
    assert len(found[0]) == 4
    assert found[0] == found[1]
