"""The MimeContent of an item of any kind."""

from tests.servers.ews import calendar_text, card_text, mime
from tests.servers.ews.markup import text
from tests.servers.ews.refusals import Refused
from tests.servers.ews.state import Item, Site


def mime_of(site: Site, item: Item) -> bytes:
    """Write the MIME of an item, differently at each read where Exchange does."""
    item.reads += 1
    if site.unwritable is not None and text(item.fields.get("Subject")) == site.unwritable:
        raise Refused("ErrorInternalServerError")
    if item.element == "CalendarItem":
        written = calendar_text.write(item)
        if site.calendar_mime == "endless":
            return written.removesuffix(b"END:VCALENDAR\r\n")
        if site.calendar_mime == "calendar":
            return written
        files = [one for one in item.attachments if one.item is None]
        made = mime.compose(item, written, "text/calendar; charset=utf-8", files)
        return mime.regenerate(made, item.reads)
    if item.element in ("Contact", "DistributionList"):
        return _of_contact(site, item)
    source = item.source if item.source is not None else mime.compose(item)
    return mime.regenerate(source, item.reads)


def _of_contact(site: Site, item: Item) -> bytes:
    written = card_text.write(item)
    if site.contact_mime == "vcard":
        return written
    kind = "text/directory; profile=vCard"
    if site.contact_mime == "tnef":
        # nobody here reads more than its first bytes
        written, kind = b"\x78\x9f\x3e\x22" + written[::-1], 'application/ms-tnef; name="winmail.dat"'
    return mime.regenerate(mime.compose(item, written, kind), item.reads)
