"""Servers of Exchange Web Services of other makers than Microsoft: what they do otherwise loses and doubles nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count

import icalendar
import pytest
import vobject
from msgspec.structs import replace as with_fields

from archiver.accounts.ews import pages
from archiver.accounts.ews.account import EwsAccount, Wanted
from archiver.accounts.ews.fetching import NO_EXPORTS
from archiver.accounts.ews.removing import ELSEWHERE, UNTOLD
from archiver.accounts.ews.transport import Endpoint
from archiver.errors import FolderRefused, Unreachable
from archiver.formats.calendar import calendar
from archiver.formats.contact import contact
from archiver.formats.record import Record, pack, unpack
from archiver.items import Contact, Event
from archiver.model import Appended, Done, Folder, Kind, Message, Missed, Refused, Removed, Secret, Unremoved
from tests.contract.account import Copy, find, listed, mail, news
from tests.contract.append import outgoing
from tests.contract.exchange import gist
from tests.servers import fault_proxy as faults
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.filling import fill
from tests.servers.ews.plans import When
from tests.servers.ews.server import EwsDouble
from tests.servers.ews.temper import MICROSOFT, OTHER_MAKER, Temper
from tests.servers.fault_proxy import FaultProxy

START = datetime(2026, 3, 4, 9, tzinfo=UTC)
_numbers = count()


@pytest.fixture(scope="module")
def doubles() -> Iterator[Callable[[Temper], EwsDouble]]:
    """Run one double of each temper."""
    with ExitStack() as stack:
        yield cache(lambda temper: stack.enter_context(EwsDouble(temper=temper)))


Open = Callable[..., EwsMailbox]


@pytest.fixture
def opened(doubles: Callable[[Temper], EwsDouble]) -> Open:
    def open_one(temper: Temper = OTHER_MAKER, url: str | None = None) -> EwsMailbox:
        double = doubles(temper)
        return EwsMailbox(double, f"other{next(_numbers)}@example.com", url)

    return open_one


@pytest.fixture
def double() -> Iterator[EwsDouble]:
    """Run a double of its own, whose plans and poison are nobody else's."""
    with EwsDouble(temper=OTHER_MAKER) as running:
        yield running


@pytest.fixture
def mailbox(double: EwsDouble) -> EwsMailbox:
    return EwsMailbox(double, "ann@example.com")


@pytest.fixture
def account(mailbox: EwsMailbox) -> Iterator[EwsAccount]:
    opened = mailbox.account()
    yield opened
    opened.close()


def filled(mailbox: EwsMailbox, number: int = 8) -> list[str]:
    return [mailbox.deliver("INBOX", mail(one)) for one in range(number)]


def records(account: EwsAccount) -> dict[str, Record]:
    """Read everything, all of which is to be had: subject -> record."""
    found = {}
    for folder in account.folders():
        for one in account.fetch(listed(account, folder.name)):
            assert isinstance(one, Message), one
            record = unpack(one.raw)
            found[record.details.subject] = record
    return found


def epoch_of(account: EwsAccount) -> str:
    copy = Copy()
    copy.update(account)
    assert copy.cursor is not None
    return copy.cursor.epoch


# --- exports ----------------------------------------------------------------------------------------


def test_exports_that_the_server_does_not_know_are_asked_for_once(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    keys = filled(mailbox, 120)
    told = list(account.fetch(listed(account)))
    assert sorted(one.remote.ref.key for one in told if isinstance(one, Message)) == sorted(keys)
    assert {unpack(one.raw).export for one in told if isinstance(one, Message)} == {None}
    assert double.counts["ExportItems"] == 1
    assert mailbox.warnings == [NO_EXPORTS]
    assert mailbox.waits == []


def test_what_the_account_can_do_is_told_as_it_is(opened: Open) -> None:
    for temper, wanted in ((MICROSOFT, "archives each item's full-fidelity export"), (OTHER_MAKER, "none")):
        account = opened(temper).account()
        (told,) = [one for one in account.abilities() if "export" in one]
        assert wanted in told
        account.close()


def test_a_busy_server_is_none_without_exports(opened: Open) -> None:
    mailbox = opened(MICROSOFT)
    mailbox.double.plans.fault("ErrorServerBusy", When("ExportItems", times=1), back_off_ms=10)
    filled(mailbox, 3)
    account = mailbox.account()
    assert all(record.export is not None for record in records(account).values())
    assert (mailbox.warnings, len(mailbox.waits)) == ([], 1)
    account.close()


def test_what_has_an_export_is_restored_without_where_the_server_takes_none(opened: Open) -> None:
    source = opened(MICROSOFT)
    filled(source, 120)
    account = source.account()
    raws = [one.raw for one in account.fetch(listed(account)) if isinstance(one, Message)]
    account.close()
    target = opened()
    account, before = target.account(), target.double.counts["UploadItems"]
    told = list(account.append(find(account, "INBOX"), map(outgoing, raws)))
    assert {one.altered for one in told if isinstance(one, Appended)} == {
        "without what only its export has, since the server takes no exports"
    }
    assert len(target.place("INBOX").items) == len(told) == 120
    again = list(account.append(find(account, "INBOX"), map(outgoing, raws)))
    assert len(target.place("INBOX").items) == len(again) == 120
    assert target.double.counts["UploadItems"] - before == 1
    assert target.waits == []
    account.close()


# --- folders and changes ----------------------------------------------------------------------------


def test_a_tree_without_folders_is_empty(double: EwsDouble) -> None:
    double.add_mailbox("cem@example.com", archive=True)
    double.add_public_folders().folder("Team")
    wanted = Wanted(archive_mailbox=True, public_folders=True)
    where = Endpoint(double.url, "cem@example.com", sign_in="basic")
    account = EwsAccount(where, lambda: Secret("secret"), pytest.fail, wanted)
    assert "Public folders/Team" in [one.name for one in account.folders()]
    account.close()


def test_a_state_that_the_server_cannot_read_leads_to_a_full_listing_and_nothing_is_fetched(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    keys = filled(mailbox, 5)
    copy = Copy()
    copy.update(account)
    mailbox.expunge("INBOX", keys[1])
    new = mailbox.deliver("INBOX", mail(7))
    double.states.expire()
    told = copy.update(account)
    assert [one.ref.key for one in news(told)] == [new]
    assert set(copy.flags) == {keys[0], *keys[2:], new}
    assert isinstance(told[-1], Done)


def test_a_state_of_this_very_listing_that_is_refused_ends_it(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    filled(mailbox, 250)
    double.plans.after(double.states.expire, When("SyncFolderItems", nth=1))
    with pytest.raises(Unreachable, match="forgot how far"):
        Copy().update(account)


def test_a_failure_without_any_state_is_an_error(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    double.plans.refuse("ErrorInternalServerError", -1, When("SyncFolderItems"))
    with pytest.raises(Unreachable, match="fails at the request"):
        Copy().update(account)


def test_a_folder_that_is_gone_is_refused_alone(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    mailbox.create("Aside")
    aside = find(account, "Aside")
    mailbox.delete("Aside")
    double.plans.refuse("ErrorInternalServerError", -1, When("SyncFolderItems"))
    with pytest.raises(FolderRefused):
        list(account.changes(aside, None, dict))


def test_deletions_that_do_not_fit_into_a_page_are_all_told(
    mailbox: EwsMailbox, account: EwsAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = filled(mailbox, 150)
    copy = Copy()
    copy.update(account)
    mailbox.expunge("INBOX", *keys[:145])
    monkeypatch.setattr(pages, "PAGE", 5)  # more pages than a folder that never holds still is asked for
    copy.update(account)
    assert set(copy.flags) == set(keys[145:])
    assert copy.exists == 5


def test_a_mark_that_changes_the_size_archives_once_more_and_loses_nothing(opened: Open) -> None:
    mailbox = opened(replace(OTHER_MAKER, weighs_marks=True))
    keys = filled(mailbox, 3)
    account = mailbox.account()
    copy = Copy()
    copy.update(account)
    mailbox.flag("INBOX", keys[1], ["Work"])
    (again,) = news(copy.update(account))
    assert again.flags == {"Work"}
    assert set(copy.flags) == {keys[0], again.ref.key, keys[2]}
    (told,) = account.fetch([again])
    assert isinstance(told, Message)
    assert gist(told.raw) == gist(mail(1))
    assert news(copy.update(account)) == []
    account.close()


# --- one item over which whole requests fail --------------------------------------------------------


def test_an_item_that_cannot_be_made_is_refused_alone_and_nothing_is_made_twice(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    double.site.poison = "13"
    given = [outgoing(mail(number)) for number in range(20)]
    told = list(account.append(find(account, "INBOX"), given))
    refused = [one for one in told if isinstance(one, Refused)]
    assert [one.digest for one in refused] == [given[13].digest]
    assert "CreateItem" in refused[0].reason
    assert sorted(mailbox.place("INBOX").subjects) == sorted(str(one) for one in range(20) if one != 13)


def test_flags_that_cannot_be_written_are_told_and_those_of_the_others_are_written(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    keys = filled(mailbox, 5)
    mailbox.item(keys[2]).errors["UpdateItem"] = "ErrorInternalServerError"
    wanted = dict.fromkeys(keys, frozenset({"\\Flagged"}))
    lost = account.keep_flags(find(account, "INBOX"), epoch_of(account), wanted)
    assert lost == {keys[2]: {"\\Flagged"}}
    assert {one.ref.key: one.flags for one in listed(account)} == {**wanted, keys[2]: frozenset()}


def test_an_item_that_cannot_be_read_is_missed_alone_and_stays(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    keys = filled(mailbox, 8)
    inbox, epoch, remotes = find(account, "INBOX"), epoch_of(account), listed(account)
    mailbox.item(keys[3]).errors["GetItem"] = "ErrorInternalServerError"
    told = list(account.fetch(remotes))
    assert [one.remote.ref.key for one in told if isinstance(one, Missed)] == [keys[3]]
    assert len(told) == 8
    assert set(account.message_ids(remotes)) == {*keys} - {keys[3]}
    assert set(account.look(inbox, epoch, keys).messages) == {*keys} - {keys[3]}
    answers = {one.key: type(one) for one in account.remove(inbox, epoch, keys, None)}
    assert answers == {**dict.fromkeys(keys, Removed), keys[3]: Unremoved}
    assert len(mailbox.place("INBOX").items) == 1


def test_an_item_that_cannot_be_moved_stays_alone(mailbox: EwsMailbox, account: EwsAccount) -> None:
    keys = filled(mailbox, 8)
    mailbox.item(keys[3]).errors["MoveItem"] = "ErrorInternalServerError"
    answers = account.remove(find(account, "INBOX"), epoch_of(account), keys, account.trash())
    assert {one.key: type(one) for one in answers} == {**dict.fromkeys(keys, Removed), keys[3]: Unremoved}
    assert len(mailbox.place("Trash").items) == 7


# --- removing ---------------------------------------------------------------------------------------


def test_what_another_moved_meanwhile_is_not_told_as_removed(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    keys = filled(mailbox, 3)
    inbox, epoch = find(account, "INBOX"), epoch_of(account)
    mailbox.owner.move(mailbox.item(keys[1]), mailbox.place("Aside"))
    assert set(account.look(inbox, epoch, keys).messages) == {keys[0], keys[2]}
    told = {one.key: one for one in account.remove(inbox, epoch, keys, None)}
    assert told[keys[1]] == Unremoved(keys[1], ELSEWHERE)
    assert len(mailbox.place("Aside").items) == 1


def test_a_move_whose_reply_is_lost_is_told_as_done(double: EwsDouble) -> None:
    with FaultProxy(double.url) as proxy:
        mailbox = EwsMailbox(double, "lost@example.com", proxy.url)
        keys = filled(mailbox, 5)
        account = mailbox.account()
        inbox, epoch = find(account, "INBOX"), epoch_of(account)
        proxy.inject(faults.cut_after(), "MoveItem", times=1)
        told = list(account.remove(inbox, epoch, keys, account.trash()))
        assert [type(one) for one in told] == [Removed] * 5
        assert len(mailbox.place("Trash").items) == 5
        account.close()


def test_an_item_of_which_the_server_does_not_tell_where_it_is_stays(opened: Open) -> None:
    mailbox = opened(replace(OTHER_MAKER, absent=OTHER_MAKER.absent | {"ParentFolderId"}))
    keys = filled(mailbox, 3)
    account = mailbox.account()
    inbox, epoch = find(account, "INBOX"), epoch_of(account)
    assert dict(account.look(inbox, epoch, keys).messages) == {}
    told = list(account.remove(inbox, epoch, keys, None))
    assert told == [Unremoved(key, UNTOLD) for key in keys]
    assert len(mailbox.place("INBOX").items) == 3
    account.close()


# --- what items are ---------------------------------------------------------------------------------


def add_with_files(mailbox: EwsMailbox) -> None:
    calendar = mailbox.owner.folder("calendar")
    meeting = calendar.add_event("meeting", START)
    calendar.attach(meeting, "agenda.txt", b"1. all", "text/plain")
    mailbox.owner.folder("contacts").add_contact(
        "Carla", "Cook", addresses=["c@example.org"], photo=b"\xff\xd8\xff"
    )


def test_an_item_whose_mime_is_a_message_is_read_by_other_programs_with_its_files_once(opened: Open) -> None:
    mailbox = opened()
    add_with_files(mailbox)
    account = mailbox.account()
    found = records(account)
    account.close()
    meeting, carla = found["meeting"], found["Carla Cook"]
    assert (meeting.body_type, carla.body_type) == ("message/rfc822", "message/rfc822")
    assert meeting.attachments == (), "the message has it"
    assert [(one.name, one.content) for one in meeting.files] == [("agenda.txt", b"1. all")]
    assert [(one.name, one.content) for one in carla.files] == [("ContactPicture.jpg", b"\xff\xd8\xff")]
    assert isinstance(meeting.details.item, Event)
    assert isinstance(carla.details.item, Contact)
    (event,) = icalendar.Calendar.from_ical(calendar(meeting.details.item, meeting.files)).walk("VEVENT")
    assert (str(event["SUMMARY"]), event["ATTACH"].params["FILENAME"]) == ("meeting", "agenda.txt")
    card = vobject.readOne(contact(carla.details.item, carla.files).decode())
    assert (card.fn.value, card.photo.value) == ("Carla Cook", b"\xff\xd8\xff")


def test_an_item_whose_mime_is_a_message_goes_back_with_its_files(opened: Open) -> None:
    mailbox, target = opened(), opened()
    add_with_files(mailbox)
    account, other = mailbox.account(), target.account()
    for record in records(account).values():
        kind = record.details.kind
        folder = other.make_folder(Folder(f"Made {kind.value}", kind=kind))
        (told,) = other.append(folder, [with_fields(outgoing(pack(record)), kind=kind)])
        assert isinstance(told, Appended), told
    after = records(other)
    assert [one.name for one in after["meeting"].files] == ["agenda.txt"]
    assert [one.name for one in after["Carla Cook"].files] == ["ContactPicture.jpg"]
    account.close()
    other.close()


def test_text_that_the_server_cannot_make_is_written_from_the_fields(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    add_with_files(mailbox)
    mailbox.owner.site.unwritable = "Carla Cook"
    carla = records(account)["Carla Cook"]
    assert carla.body_type == "text/vcard"
    assert [one.name for one in carla.attachments] == ["ContactPicture.jpg"]


@pytest.mark.parametrize(
    "absent",
    [
        {"ParentFolderId", "InternetMessageId", "Categories", "Recurrence", "DateTimeReceived", "ItemClass"},
        {"Start", "End", "HasAttachments", "Subject", "LastModifiedTime", "DateTimeCreated"},
        {"StartTimeZone", "EndTimeZone", "UID", "OriginalStart", "IsRead", "Importance", "Sensitivity"},
        {"Size", "Organizer", "RequiredAttendees", "EmailAddresses", "CompleteName", "DisplayName", "Body"},
    ],
    ids=min,
)
def test_what_is_never_told_stops_nothing(opened: Open, absent: set[str]) -> None:
    mailbox = opened(replace(OTHER_MAKER, absent=OTHER_MAKER.absent | absent))
    fill(mailbox.owner, 120)
    account = mailbox.account()
    for folder in account.folders():
        told = list(account.fetch(listed(account, folder.name)))
        assert [one for one in told if isinstance(one, Missed)] == [], folder
    account.close()


def test_a_draft_is_known_and_a_series_has_no_end_where_the_server_does_not_say_so(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    mailbox.deliver("INBOX", mail(1), ["\\Draft"])
    mailbox.owner.folder("calendar").add_event("weekly", START, rule="FREQ=WEEKLY")
    (draft,), (weekly,) = listed(account), listed(account, "Calendar")
    assert draft.flags == {"\\Draft"}
    assert weekly.received is None, "its first day is not its last"


@pytest.mark.parametrize("element", ["Item", "Network"])
def test_an_item_of_an_odd_sort_is_archived(element: str) -> None:
    with EwsDouble(temper=replace(OTHER_MAKER, odd_class=f"IPM.Odd={element}")) as double:
        mailbox = EwsMailbox(double, "odd@example.com")
        mailbox.place("INBOX").deliver(mail(1), item_class="IPM.Odd.Thing")
        account = mailbox.account()
        (told,) = account.fetch(listed(account))
        assert isinstance(told, Message)
        assert gist(told.raw) == gist(mail(1))
        assert unpack(told.raw).details.item_class == "IPM.Odd.Thing"
        account.close()
        double.violations.clear()  # the schemas that are at hand are older than some sorts


# --- searching for what is there --------------------------------------------------------------------


def test_a_mailbox_that_never_had_the_property_is_restored_to_once(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    filled(mailbox, 3)
    given = [outgoing(mail(number)) for number in range(10, 15)]
    for _ in range(2):
        told = list(account.append(find(account, "INBOX"), given))
        assert [type(one) for one in told] == [Appended] * 5
        assert len(mailbox.place("INBOX").items) == 8


def test_nothing_is_put_in_where_no_search_tells_what_is_there(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    filled(mailbox, 3)
    double.plans.refuse("ErrorInternalServerError", -1, When("FindItem"))
    with pytest.raises(Unreachable):
        list(account.append(find(account, "INBOX"), [outgoing(mail(10))]))
    assert len(mailbox.place("INBOX").items) == 3


# --- whole days -------------------------------------------------------------------------------------

BERLIN, NEW_YORK, TOKYO = "W. Europe Standard Time", "Eastern Standard Time", "Tokyo Standard Time"


@pytest.mark.parametrize(
    ("zone", "first", "last", "begins", "ends"),
    [
        (BERLIN, "2026-03-27", "2026-03-29", "2026-03-26T23:00", "2026-03-29T22:00"),
        (BERLIN, "2026-03-29", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),
        (BERLIN, "2026-10-24", "2026-10-25", "2026-10-23T22:00", "2026-10-25T23:00"),
        (BERLIN, "2026-10-25", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),
        (NEW_YORK, "2026-03-06", "2026-03-08", "2026-03-06T05:00", "2026-03-09T04:00"),
        (NEW_YORK, "2026-11-01", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
        (TOKYO, "2026-03-27", "2026-03-29", "2026-03-26T15:00", "2026-03-29T15:00"),
    ],
)
@pytest.mark.parametrize("told", [True, False], ids=["zone told", "zone not told"])
def test_whole_days_are_the_same_over_the_change_of_the_clock(
    opened: Open, zone: str, first: str, last: str, begins: str, ends: str, told: bool
) -> None:
    hidden = frozenset[str]() if told else frozenset({"StartTimeZone", "EndTimeZone"})
    mailbox = opened(replace(OTHER_MAKER, absent=OTHER_MAKER.absent | hidden))
    at, end = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (begins, ends))
    minutes = int((end - at).total_seconds() // 60)
    mailbox.owner.folder("calendar").add_event("days", at, minutes, all_day=True, zone=zone)
    account = mailbox.account()
    event = records(account)["days"].details.item
    assert isinstance(event, Event)
    day_after = datetime.fromisoformat(last) + timedelta(days=1)
    assert event.start.at.date().isoformat() == first
    assert event.end.at.replace(tzinfo=None) == day_after
    account.close()


def test_an_event_of_whole_days_is_dated_alike_when_it_is_fetched_and_looked_at(
    opened: Open,
) -> None:
    mailbox = opened(MICROSOFT)
    at = datetime(2026, 3, 28, 23, tzinfo=UTC)
    mailbox.owner.folder("calendar").add_event("day", at, 23 * 60, all_day=True, zone=BERLIN)
    account = mailbox.account()
    folder = next(one for one in account.folders() if one.kind is Kind.EVENT)
    (told,) = account.fetch(listed(account, folder.name))
    assert isinstance(told, Message)
    looked = account.look(folder, told.remote.ref.epoch, [told.remote.ref.key])
    assert dict(looked.messages) == {told.remote.ref.key: told.remote}
    account.close()
