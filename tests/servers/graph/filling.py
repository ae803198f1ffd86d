"""A mailbox of the double with an item of every sort."""

import base64

from tests.servers.graph.state import Item, Mailbox

PICTURE = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
MAIL = (
    b"From: Bob <bob@example.org>\r\nTo: Ann <ann@example.org>\r\n"
    b"Subject: Figures\r\nMessage-ID: <figures@example.org>\r\n"
    b"Date: Mon, 05 Jan 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="=_one_boundary_of_many"\r\n\r\n'
    b"--=_one_boundary_of_many\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee what is attached.\r\n"
    b'--=_one_boundary_of_many\r\nContent-Type: text/csv; name="figures.csv"\r\n'
    b'Content-Disposition: attachment; filename="figures.csv"\r\nContent-Transfer-Encoding: base64\r\n\r\nMSwyLDMK\r\n'
    b"--=_one_boundary_of_many--\r\n"
)


def zoned(day: str, hour: int, zone: str = "UTC") -> dict[str, str]:
    return {"dateTime": f"{day}T{hour:02d}:00:00.0000000", "timeZone": zone}


def attached(name: str, content: bytes) -> dict[str, object]:
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "id": f"ATT-{name}",
        "name": name,
        "contentType": "text/plain",
        "size": len(content),
        "contentBytes": base64.b64encode(content).decode(),
    }


def fill(mailbox: Mailbox) -> dict[str, Item]:
    """Put in an item of every sort; gives them by name."""
    return {
        "mail": mailbox.deliver(mailbox.folder("inbox", "mail"), MAIL),
        "sent": mailbox.deliver(mailbox.folder("sentitems", "mail"), MAIL.replace(b"Figures", b"Sent")),
        **_events(mailbox),
        **_contacts(mailbox),
        **_tasks(mailbox),
    }


def _events(mailbox: Mailbox) -> dict[str, Item]:
    calendar = mailbox.folder("calendar", "event")
    common = {
        "body": {
            "contentType": "html",
            "content": "<html><body><p>Bring <b>cake</b> &amp; tea</p></body></html>",
        },
        "originalStartTimeZone": "UTC",
        "originalEndTimeZone": "UTC",
        "location": {"displayName": "Room 7"},
        "showAs": "busy",
        "isReminderOn": True,
        "reminderMinutesBeforeStart": 15,
        "isAllDay": False,
        "categories": ["To do"],
        "type": "singleInstance",
    }
    meeting = mailbox.add(
        calendar,
        {
            **common,
            "subject": "Meeting",
            "iCalUId": "040000008200E00074C5B7101A82E008A",
            "start": zoned("2026-02-02", 9),
            "end": zoned("2026-02-02", 10),
            "organizer": {"emailAddress": {"name": "Ann", "address": "ann@example.org"}},
            "isOrganizer": True,
            "attendees": [
                {
                    "type": "required",
                    "status": {"response": "accepted"},
                    "emailAddress": {"name": "Bob", "address": "bob@example.org"},
                }
            ],
        },
    )
    meeting.attachments.append(attached("agenda.txt", b"1. cake"))
    link = {"@odata.type": "#microsoft.graph.referenceAttachment", "id": "ATT-link", "name": "plan.docx"}
    meeting.attachments.append(link)
    day = mailbox.add(
        calendar,
        {
            **common,
            "subject": "Holiday",
            "iCalUId": "040000008200E00074C5B7101A82E008B",
            "isAllDay": True,
            "start": zoned("2026-05-01", 0),
            "end": zoned("2026-05-02", 0),
        },
    )
    series = mailbox.add(
        calendar,
        {
            **common,
            "subject": "Standup",
            "iCalUId": "040000008200E00074C5B7101A82E008C",
            "type": "seriesMaster",
            "start": zoned("2026-03-02", 9),
            "end": zoned("2026-03-02", 10),
            "recurrence": {
                "pattern": {
                    "type": "weekly",
                    "interval": 1,
                    "daysOfWeek": ["monday"],
                    "firstDayOfWeek": "monday",
                },
                "range": {"type": "endDate", "startDate": "2026-03-02", "endDate": "2026-06-29"},
            },
            "exceptionOccurrences": [
                {
                    **common,
                    "id": "occurrence",
                    "subject": "Standup, late",
                    "iCalUId": "040000008200E00074C5B7101A82E008C",
                    "type": "exception",
                    "originalStart": "2026-03-09T09:00:00Z",
                    "start": zoned("2026-03-09", 11),
                    "end": zoned("2026-03-09", 12),
                }
            ],
            "cancelledOccurrences": ["OID.AAMkAD=.2026-03-16"],
        },
    )
    other = mailbox.create("event", "Team/Ops")
    other_event = mailbox.add(
        other,
        {
            **common,
            "subject": "On call",
            "iCalUId": "040000008200E00074C5B7101A82E008D",
            "start": zoned("2026-02-03", 9),
            "end": zoned("2026-02-03", 10),
        },
    )
    return {"meeting": meeting, "day": day, "series": series, "on call": other_event}


def _contacts(mailbox: Mailbox) -> dict[str, Item]:
    contact = mailbox.add(
        mailbox.folder("contacts", "contact"),
        {
            "displayName": "Bob Builder",
            "givenName": "Bob",
            "surname": "Builder",
            "fileAs": "Builder, Bob",
            "companyName": "Build Ltd",
            "jobTitle": "Foreman",
            "birthday": "1970-04-01T11:59:00Z",
            "emailAddresses": [{"name": "Bob", "address": "bob@example.org"}],
            "homePhones": [],
            "businessPhones": ["+49 30 1234"],
            "mobilePhone": "+49 170 1234",
            "homeAddress": {"street": "Main 1", "city": "Berlin", "postalCode": "10115"},
            "businessAddress": {},
            "otherAddress": {},
            "personalNotes": "Knows Wendy",
            "children": ["Scoop"],
            "categories": ["Work"],
        },
    )
    contact.photo = PICTURE
    friends = mailbox.create("contact", "Friends")
    wendy = mailbox.add(friends, {"displayName": "Wendy", "emailAddresses": [], "categories": []})
    return {"contact": contact, "friend": wendy}


def _tasks(mailbox: Mailbox) -> dict[str, Item]:
    task = mailbox.add(
        mailbox.folder("defaultList", "task"),
        {
            "title": "Pay the bill",
            "body": {"contentType": "text", "content": "by Friday"},
            "status": "inProgress",
            "importance": "high",
            "isReminderOn": True,
            "dueDateTime": zoned("2026-02-06", 0),
            "reminderDateTime": zoned("2026-02-05", 9),
            "categories": [],
        },
    )
    task.attachments.append(attached("bill.txt", b"42 euro"))
    return {"task": task}


def fill_many(mailbox: Mailbox, count: int) -> None:
    """Put in so many more: half of them mail, the rest events, contacts and tasks."""
    homes = [mailbox.folder(name, "mail") for name in ("inbox", "archive")]
    calendar, tasks = mailbox.folder("calendar", "event"), mailbox.folder("defaultList", "task")
    contacts = mailbox.folder("contacts", "contact")
    first = mailbox.generation
    for number in range(first, first + count):
        day = f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}"
        match number % 6:
            case 0 | 1 | 2:
                raw = MAIL.replace(b"figures@", b"many-%d@" % number).replace(
                    b"Figures", b"Figures %d" % number
                )
                mailbox.deliver(homes[number % 2], raw)
            case 3:
                props = {"start": zoned(day, 9), "end": zoned(day, 10), "type": "singleInstance"}
                zones = {"originalStartTimeZone": "UTC", "originalEndTimeZone": "UTC"}
                known = f"040000008200E00074C5B7101A82E009{number:08d}"
                mailbox.add(calendar, {"subject": f"Event {number}", "iCalUId": known, **props, **zones})
            case 4:
                made = mailbox.add(contacts, {"displayName": f"Person {number}", "emailAddresses": []})
                made.photo = PICTURE if number % 4 else None
            case _:
                mailbox.add(
                    tasks, {"title": f"Task {number}", "status": "notStarted", "importance": "normal"}
                )
