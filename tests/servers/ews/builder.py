"""The owner of a mailbox on the double, who fills and changes it behind archiver's back, without any request."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from tests.servers.ews import mime, properties
from tests.servers.ews.calendar_text import recurrence_of
from tests.servers.ews.markup import boolean, moment, t, text
from tests.servers.ews.state import Attachment, Folder, Item, Mailbox, Site


class Owner:
    """One mailbox, or the tree of public folders."""

    def __init__(self, site: Site, mailbox: Mailbox) -> None:
        self.site = site
        self.mailbox = mailbox

    def folder(self, path: str, folder_class: str = "IPF.Note") -> "Place":
        """Find a folder by its distinguished id, or by names with "/" between, and make it if it is missing."""
        found = self.mailbox.distinguished.get(path)
        if found is None:
            names = path.split("/")
            top = "publicfoldersroot" if not self.mailbox.address else "msgfolderroot"
            found = self.mailbox.distinguished[top]
            for name in names:
                below = {one.name: one for one in found.children.values()}
                found = below.get(name) or self.site.add_folder(self.mailbox, found, name, folder_class)
        return Place(self, found)

    def rename(self, place: "Place", name: str) -> None:
        """Rename a folder."""
        place.folder.name = name
        self.site.touch(place.folder)

    def remove(self, place: "Place") -> None:
        """Remove a folder with all in it."""
        self.site.remove_folder(place.folder)

    def mark(self, item: Item, read: bool = True) -> None:
        """Mark as read, or as unread; nothing else changes."""
        item.is_read = read
        self.site.write(item, read_flag_alone=True)

    def flag(self, item: Item, status: str = "Flagged") -> None:
        """Flag an item for follow-up."""
        properties.set_flag(item, t("Flag", t("FlagStatus", status)))
        self.site.write(item)

    def edit(self, item: Item, **fields: str) -> None:
        """Write fields that hold a text, such as Subject."""
        for name, value in fields.items():
            attributes = {"BodyType": "Text"} if name == "Body" else {}
            item.fields[name] = t(name, value, **attributes)
        self.site.write(item)

    def answer(self, item: Item, verb: int = 102) -> None:
        """Note that an item was answered (102), answered to all (103) or passed on (104)."""
        path = t("ExtendedFieldURI", PropertyTag="0x1081", PropertyType="Integer")
        item.properties[properties.key_of(path)] = t("ExtendedProperty", path, t("Value", str(verb)))
        self.site.write(item)

    def categorize(self, item: Item, *categories: str) -> None:
        """Give an item exactly these categories."""
        item.fields["Categories"] = t("Categories", *(t("String", one) for one in categories))
        self.site.write(item)

    def move(self, item: Item, to: "Place") -> Item:
        """Move an item to another folder; it gets a new id."""
        return self.site.move(item, to.folder)

    def delete(self, item: Item, how: str = "HardDelete") -> None:
        """Delete an item: HardDelete, SoftDelete or MoveToDeletedItems."""
        self.site.dispose(item, how)


class Place:
    """A folder of a mailbox, and what can be put into it."""

    def __init__(self, owner: Owner, folder: Folder) -> None:
        self.owner = owner
        self.site = owner.site
        self.folder = folder

    @property
    def items(self) -> list[Item]:
        """What is in it, oldest first."""
        return list(self.folder.items.values())

    @property
    def drafts(self) -> list[Item]:
        """The items in it that are drafts."""
        return [item for item in self.items if item.is_draft]

    @property
    def subjects(self) -> list[str]:
        """The subjects of what is in it, oldest first."""
        return [text(item.fields.get("Subject")) or "" for item in self.items]

    def deny(self, denied: bool = True) -> None:
        """Refuse everybody who asks for it."""
        self.folder.denied = denied

    def lock(self, read_only: bool = True) -> None:
        """Refuse everybody who would change what is in it."""
        self.folder.read_only = read_only

    def deliver(
        self,
        raw: bytes,
        *,
        read: bool = False,
        received: datetime | None = None,
        draft: bool = False,
        item_class: str = "IPM.Note",
    ) -> Item:
        """Deliver a MIME message."""
        item = self.site.new_item("Message", item_class, self.folder)
        mime.absorb(self.site, item, raw)
        item.is_read, item.is_draft = read, draft
        item.received = received or item.received
        return self.site.put(item, self.folder)

    def add_event(
        self,
        subject: str,
        start: datetime,
        minutes: int = 60,
        *,
        rule: str | None = None,
        zone: str | None = "W. Europe Standard Time",
        all_day: bool = False,
        attendees: Iterable[str] = (),
        location: str = "",
        reminder: int | None = None,
    ) -> Item:
        """Enter an event; with `rule`, an RRULE, a series."""
        item = self._new("CalendarItem", "IPM.Appointment", subject)
        owner = self.folder.mailbox
        fields = [
            t("UID", f"040000008200E00074C5B7101A82E008{item.id[8:40].encode().hex().upper()}"),
            *_span(start, minutes),
            t("IsAllDayEvent", boolean(all_day)),
            t("Location", location) if location else None,
            t("Organizer", mime.mailbox(owner.address, owner.display_name)),
            t("RequiredAttendees", *(t("Attendee", mime.mailbox(one)) for one in attendees))
            if attendees
            else None,
            recurrence_of(rule, start) if rule else None,
            t("StartTimeZone", Id=zone, Name=zone) if zone else None,
            t("EndTimeZone", Id=zone, Name=zone) if zone else None,
            t("ReminderIsSet", boolean(reminder is not None)),
            t("ReminderMinutesBeforeStart", str(reminder)) if reminder is not None else None,
        ]
        return self._keep(item, fields)

    def modify_occurrence(
        self, master: Item, start: datetime, to: datetime, subject: str | None = None
    ) -> Item:
        """Move the occurrence of a series that begins at `start`."""
        item = self.site.new_item(
            "CalendarItem", "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}", self.folder
        )
        item.fields = {name: one for name, one in master.fields.items() if name != "Recurrence"}
        item.fields.update(
            {"Start": t("Start", moment(to)), "End": t("End", moment(to + timedelta(minutes=30)))}
        )
        if subject is not None:
            item.fields["Subject"] = t("Subject", subject)
        item.original_start, item.is_draft, item.is_read = start, False, True
        master.occurrences.append(item)
        self.site.index_parts(master)
        self.site.write(item)
        return item

    def delete_occurrence(self, master: Item, start: datetime) -> None:
        """Take an occurrence out of a series."""
        master.deleted_occurrences.append(start)
        self.site.write(master)

    def add_meeting(self, raw: bytes, kind: str, start: datetime, minutes: int = 60) -> Item:
        """Deliver a MeetingRequest, MeetingResponse or MeetingCancellation, with the MIME of its mail."""
        classes = {
            "MeetingRequest": "Request",
            "MeetingResponse": "Resp.Pos",
            "MeetingCancellation": "Canceled",
        }
        item = self.site.new_item(kind, f"IPM.Schedule.Meeting.{classes[kind]}", self.folder)
        mime.absorb(self.site, item, raw)
        item.is_draft = False
        more = t("MeetingRequestType", "NewMeetingRequest") if kind == "MeetingRequest" else None
        answer = t("ResponseType", "Accept") if kind == "MeetingResponse" else None
        fields = [t("UID", f"uid-{len(self.folder.items)}"), answer, more, *_span(start, minutes)]
        return self._keep(item, [*fields, t("IsOutOfDate", "false"), t("HasBeenProcessed", "false")])

    def add_contact(
        self,
        given: str,
        surname: str,
        *,
        addresses: Iterable[str] = (),
        phones: dict[str, str] | None = None,
        home: dict[str, str] | None = None,
        photo: bytes | None = None,
    ) -> Item:
        """Enter a contact; `phones` by key such as MobilePhone, `home` the parts of an address such as City."""
        item = self._new("Contact", "IPM.Contact", f"{given} {surname}")
        keys = ("EmailAddress1", "EmailAddress2", "EmailAddress3")
        mails = [t("Entry", one, Key=key) for key, one in zip(keys, addresses, strict=False)]
        calls = [t("Entry", number, Key=key) for key, number in (phones or {}).items()]
        parts = ("Street", "City", "State", "CountryOrRegion", "PostalCode")
        lines = [t(part, home[part]) for part in parts if home and part in home]
        if photo is not None:
            picture = Attachment(
                self.site.identifiers.new("attachment"), "ContactPicture.jpg", photo, "image/jpeg"
            )
            picture.is_photo = True
            item.attachments.append(picture)
        fields = [
            t("FileAs", f"{surname}, {given}"),
            t("DisplayName", f"{given} {surname}"),
            t("GivenName", given),
            t("Surname", surname),
            t("EmailAddresses", *mails) if mails else None,
            t("PhysicalAddresses", t("Entry", *lines, Key="Home")) if lines else None,
            t("PhoneNumbers", *calls) if calls else None,
        ]
        return self._keep(item, fields)

    def add_list(self, name: str, members: Iterable[str]) -> Item:
        """Enter a distribution list."""
        item = self._new("DistributionList", "IPM.DistList", name)
        boxes = [
            t("Mailbox", t("Name", one), t("EmailAddress", one), t("RoutingType", "SMTP")) for one in members
        ]
        shown = [t("Member", box, t("Status", "Normal"), Key=f"key{n}") for n, box in enumerate(boxes)]
        return self._keep(item, [t("DisplayName", name), t("FileAs", name), t("Members", *shown)])

    def add_task(self, subject: str, due: datetime | None = None, *, rule: str | None = None) -> Item:
        """Enter a task; with `rule`, an RRULE, one that comes again."""
        item = self._new("Task", "IPM.Task", subject)
        start = due or self.site.now()
        fields = [
            t("DueDate", moment(due)) if due else None,
            t("IsRecurring", boolean(rule is not None)),
            t("PercentComplete", "0"),
            recurrence_of(rule, start) if rule else None,
            t("Status", "NotStarted"),
        ]
        return self._keep(item, fields)

    def add_note(self, subject: str, body: str = "") -> Item:
        """Stick a note, which arrives as a Message of class IPM.StickyNote."""
        return self._keep(self._new("Message", "IPM.StickyNote", subject), [_body(body)])

    def add_journal(self, subject: str, body: str = "") -> Item:
        """Enter an activity of the journal, which arrives as a Message of class IPM.Activity."""
        return self._keep(self._new("Message", "IPM.Activity", subject), [_body(body)])

    def add_post(self, subject: str, body: str = "") -> Item:
        """Post into the folder."""
        return self._keep(self._new("PostItem", "IPM.Post", subject), [_body(body)])

    def add_associated(self, subject: str) -> Item:
        """Put an item there that is associated with the folder: settings, views, rules."""
        item = self._new("Message", "IPM.Configuration.Something", subject)
        item.is_associated = True
        return self._keep(item, [])

    def attach(
        self, item: Item, name: str, content: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Attach a file."""
        made = Attachment(self.site.identifiers.new("attachment"), name, content, content_type)
        item.attachments.append(made)
        self.site.index_parts(item)
        self.site.write(item)

    def _new(self, element: str, item_class: str, subject: str) -> Item:
        item = self.site.new_item(element, item_class, self.folder)
        item.fields["Subject"] = t("Subject", subject)
        item.is_draft, item.is_read = False, True
        return item

    def _keep(self, item: Item, fields: Iterable[Element | None]) -> Item:
        for field in fields:
            if field is not None:
                item.fields[field.tag.rpartition("}")[2]] = field
        return self.site.put(item, self.folder)


def _span(start: datetime, minutes: int) -> list[Element]:
    return [t("Start", moment(start)), t("End", moment(start + timedelta(minutes=minutes)))]


def _body(body: str) -> Element:
    return t("Body", body, BodyType="Text")
