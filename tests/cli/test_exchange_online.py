"""An account of Exchange Online as it is typed: sign in, pull, verify, restore, prune, and what may stop it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icalendar
import msgspec
import pytest
import vobject
from cryptography.hazmat.primitives.asymmetric import rsa

from archiver.formats.record import unpack
from tests.command_line import CommandLine
from tests.servers.authority import CLIENT_ID, TENANT, Authority
from tests.servers.certificate import certificate_of, key_of
from tests.servers.graph.filling import PICTURE, fill, zoned
from tests.servers.graph.server import GraphDouble

ADDRESS = "ann@example.org"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with Authority(tls=tmp_path, user=ADDRESS) as running:
        yield running


@pytest.fixture
def online(authority: Authority) -> Iterator[GraphDouble]:
    with GraphDouble(tokens=authority.access) as running:
        fill(running.mailbox)
        yield running


@pytest.fixture
def other(authority: Authority) -> Iterator[GraphDouble]:
    """An empty mailbox beside it."""
    with GraphDouble(tokens=authority.access) as running:
        yield running


@pytest.fixture
def home(home: CommandLine, authority: Authority, online: GraphDouble, other: GraphDouble) -> CommandLine:
    for name, double in (("work", online), ("new", other)):
        _write(home, name, double, authority)
        done = home.typed("account", "login", name, "-q")
        assert done.exit == 0, done.err
    return home


def _write(home: CommandLine, name: str, double: GraphDouble, authority: Authority, more: str = "") -> None:
    with home.config.open("a") as file:
        file.write(
            f'\n[account.{name}]\narchive = "mail"\nkind = "exchange"\nbackend = "graph"\nurl = "{double.url}"\n'
            f'user = "{ADDRESS}"\ninsecure-plaintext = true\nca-file = "{authority.ca_file}"\n'
            f'\n[account.{name}.oauth]\nprovider = "microsoft"\nclient-id = "{CLIENT_ID}"\n'
            f'tenant = "{TENANT}"\nauthority = "{authority.microsoft}"\n{more}'
        )


def subjects(double: GraphDouble) -> Counter[str]:
    return Counter(
        next(str(one.props[name]) for name in ("subject", "title", "displayName") if name in one.props)
        for one in double.mailbox.items.values()
    )


def test_a_mailbox_is_pulled_listed_and_verified(home: CommandLine, online: GraphDouble) -> None:
    done = home("pull", "work")
    assert done.exit == 0, done.err
    told = home("list", "work", "--json").document["messages"]
    assert Counter(one["kind"] for one in told) == {"mail": 2, "event": 4, "contact": 2, "task": 1}
    assert Counter(one["subject"] for one in told) == subjects(online)
    assert home("verify", "--read", "-q").exit == 0
    before = len(online.seen)
    assert home("pull", "work", "-q").exit == 0
    assert not [one for one in online.seen[before:] if "$value" in one]


def test_a_token_that_ended_is_renewed_without_a_word(home: CommandLine, authority: Authority) -> None:
    assert home("pull", "work", "-q").exit == 0
    authority.access.clear()
    done = home("pull", "work", "-q")
    assert (done.exit, done.err) == (0, "")


def test_what_the_company_wants_of_a_token_is_asked_for_and_where_it_wants_a_person_that_is_told(
    home: CommandLine, authority: Authority, online: GraphDouble
) -> None:
    online.claims = True
    authority.access.clear()
    done = home("pull", "work", "-q")
    assert (done.exit, done.err) == (0, "")
    assert authority.forms("/token")[-1]["claims"] == '{"access_token":{}}'
    authority.access.clear()
    authority.refuses = {"refresh_token": ("interaction_required", "AADSTS50076: multi-factor")}
    done = home("pull", "work", "-q")
    assert done.exit == 21
    assert "the company wants a second factor" in done.err
    assert "archiver account login work" in done.err


def test_a_program_pulls_by_its_certificate_and_nobody_signs_in(
    home: CommandLine, authority: Authority, online: GraphDouble
) -> None:
    path, key = home.home / "client.pem", rsa.generate_private_key(65537, 2048)
    authority.certificate = certificate_of(key)
    path.write_bytes(key_of(key) + authority.certificate)
    path.chmod(0o600)
    _write(home, "program", online, authority, f'client-certificate-file = "{path}"\n')
    authority.seen.clear()
    online.seen.clear()
    done = home.typed("pull", "program", "-q")
    assert (done.exit, done.err) == (0, "")
    (form,) = authority.forms("/token")
    assert (form["grant_type"], form["scope"]) == (
        "client_credentials",
        "https://graph.microsoft.com/.default",
    )
    assert [one for one in online.seen if " /me/" in one] == []
    assert len(home("list", "program", "--json").document["messages"]) == 9
    done = home("account", "login", "program")
    assert done.exit == 2
    assert "needs nobody" in done.err
    authority.certificate = certificate_of(rsa.generate_private_key(65537, 2048))
    done = home.typed("pull", "program", "-q")
    assert done.exit == 14
    assert "does not know this certificate" in done.err


def test_an_archive_is_restored_to_another_mailbox_once(
    home: CommandLine, online: GraphDouble, other: GraphDouble
) -> None:
    assert home("pull", "work", "-q").exit == 0
    for _ in range(2):
        done = home("restore", "work", "--to", "new")
        assert done.exit == 0, done.err
        assert subjects(other) == subjects(online)
    assert other.sent_invitations == 0
    there = {one.folder: one.kind for one in other.mailbox.items.values()}
    named = {other.mailbox.folders[folder].name for folder in there}
    assert named == {"Inbox", "Sent Items", "Calendar", "Team_Ops", "Contacts", "Friends", "Tasks"}


def test_old_mail_is_pruned_and_nothing_else(home: CommandLine, online: GraphDouble) -> None:
    assert home("pull", "work", "-q").exit == 0
    before = subjects(online)
    allowed = ("--allow-empty", "INBOX", "--allow-empty", "Sent Items", "--max-share", "100")
    done = home("prune", "work", "--larger-than", "1", "--unread", "--yes", *allowed)
    assert done.exit == 0, done.err
    assert subjects(online) == before
    trash = online.mailbox.folder("deleteditems", "mail").id
    assert {one.props["subject"] for one in online.mailbox.inside(trash)} == {"Figures", "Sent"}
    assert online.sent_invitations == 0
    assert home("pull", "work", "-q").exit == 0
    assert home("verify", "--read", "-q").exit == 0


@pytest.mark.parametrize(
    ("trouble", "exit_code", "word"),
    [("forbidden", 22, '"Mail.Read"'), ("login", 21, "archiver account login"), ("busy", 20, "busy")],
)
def test_what_stops_a_pull_is_told_with_what_to_do(
    home: CommandLine, online: GraphDouble, trouble: str, exit_code: int, word: str
) -> None:
    if trouble == "forbidden":
        online.forbids = ("/mailFolders",)
    elif trouble == "login":
        online.tokens = ()
    else:
        online.busy, online.retry_after = 99, "3600"
    done = home("pull", "work")
    assert done.exit == exit_code
    assert word in done.err


# --- round trip -----------------------------------------------------------------------------------------


def yearly_task(double: GraphDouble) -> None:
    """Put in a task that comes again."""
    pattern = {"type": "absoluteYearly", "interval": 1, "month": 5, "dayOfMonth": 31}
    span = {"type": "numbered", "startDate": "2026-05-31", "numberOfOccurrences": 3}
    props = {"title": "Taxes", "status": "notStarted", "importance": "normal", "categories": ["Money"]}
    more = {"dueDateTime": zoned("2026-05-31", 0), "recurrence": {"pattern": pattern, "range": span}}
    double.mailbox.add(double.mailbox.folder("defaultList", "task"), {**props, **more})


def records(home: CommandLine, name: str) -> dict[str, Any]:
    """Give what the archive has of an account, by subject."""
    told = home("list", name, "--json").document["messages"]
    return {one["subject"]: unpack(home("show", one["id"], "--raw").out) for one in told}


def differences(was: Any, now: Any) -> set[str]:
    """Name the fields that two items do not have alike."""
    old, new = (msgspec.to_builtins(one.details.item) or {} for one in (was, now))
    found = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if [(one.name, one.content) for one in was.attachments] != [
        (one.name, one.content) for one in now.attachments
    ]:
        found.add("files")
    return found


ANEW = {"created", "modified"}
"""What a server gives every item anew."""

BY_FIELDS = {
    "Meeting": {"uid", "attendees", "organizer"},
    "Holiday": {"uid"},
    "Standup": {"uid", "changed", "deleted"},
    "On call": {"uid"},
}
"""What else comes back otherwise where items are made anew: of the people and the exceptions a restore tells."""


@pytest.mark.parametrize("by_fields", [False, True])
def test_all_items_come_back_as_they_were(
    home: CommandLine, online: GraphDouble, other: GraphDouble, by_fields: bool
) -> None:
    yearly_task(online)
    if by_fields:
        other.forbids = ("createImportSession",)
    assert home("pull", "work", "-q").exit == 0
    done = home("restore", "work", "--to", "new", "--json")
    assert done.exit == 0, done.err
    (report,) = [line for line in done.lines if line["type"] == "restored"]
    reasons = "; ".join(one["reason"] for folder in report["folders"] for one in folder["altered"])
    assert ("without 1 changed and 1 cancelled occurrences" in reasons) is by_fields
    assert ("without the 1 people who are asked" in reasons) is by_fields
    assert home("pull", "new", "-q").exit == 0
    before, after = records(home, "work"), records(home, "new")
    assert before.keys() == after.keys()
    found = {subject: differences(before[subject], after[subject]) - ANEW for subject in before}
    assert {subject: names for subject, names in found.items() if names} == (BY_FIELDS if by_fields else {})
    assert other.sent_invitations == 0


@pytest.mark.parametrize("name", ["work", "new"])
def test_calendars_and_contacts_come_out_as_other_libraries_read_them_before_and_after_a_restore(
    home: CommandLine, online: GraphDouble, tmp_path: Path, name: str
) -> None:
    yearly_task(online)
    assert home("pull", "work", "-q").exit == home("restore", "work", "--to", "new", "-q").exit == 0
    assert home("pull", "new", "-q").exit == 0
    for target in ("ics", "vcf"):
        assert home("export", name, "--to", target, tmp_path / target, "-q").exit == 0
    parsed: Any = icalendar.Calendar.from_ical((tmp_path / "ics" / "Calendar.ics").read_bytes())
    events = {str(one["SUMMARY"]): one for one in parsed.walk("VEVENT")}
    assert events.keys() == {"Meeting", "Holiday", "Standup", "Standup, late"}
    series, late = events["Standup"], events["Standup, late"]
    assert (series["RRULE"]["FREQ"], series["RRULE"]["BYDAY"]) == (["WEEKLY"], ["MO"])
    assert [f"{one.dt:%m-%d %H:%M}" for one in series["EXDATE"].dts] == ["03-16 09:00"]
    assert (
        f"{late['RECURRENCE-ID'].dt:%m-%d %H:%M} {late['DTSTART'].dt:%m-%d %H:%M}"
        == "03-09 09:00 03-09 11:00"
    )
    assert str(late["UID"]) == str(series["UID"])
    assert str(events["Holiday"]["DTSTART"].dt) == "2026-05-01", "a day without a time"
    assert "bob@example.org" in str(events["Meeting"]["ATTENDEE"]).lower()
    tasks: Any = icalendar.Calendar.from_ical((tmp_path / "ics" / "Tasks.ics").read_bytes())
    rules = {str(one["SUMMARY"]): one.get("RRULE") for one in tasks.walk("VTODO")}
    assert rules["Pay the bill"] is None
    assert (rules["Taxes"]["FREQ"], rules["Taxes"]["COUNT"]) == (["YEARLY"], [3])
    (card,) = vobject.readComponents((tmp_path / "vcf" / "Contacts.vcf").read_bytes().decode())
    assert (card.fn.value, card.photo.value) == ("Bob Builder", PICTURE)
    assert {one.value for one in card.contents["tel"]} == {"+49 30 1234", "+49 170 1234"}
