"""The vCard that Exchange gives as MimeContent of contacts and distribution lists."""

import base64

from tests.servers.ews.calendar_text import escaped, folded, utc
from tests.servers.ews.markup import text
from tests.servers.ews.state import Item


def write(item: Item) -> bytes:
    """Write a contact or a distribution list as a vCard (RFC 2426), as Exchange gives them."""
    fields = item.fields
    given, last = text(fields.get("GivenName")) or "", text(fields.get("Surname")) or ""
    shown = text(fields.get("DisplayName")) or text(fields.get("Subject")) or ""
    lines = ["BEGIN:VCARD", "PROFILE:VCARD", "VERSION:3.0", f"N:{escaped(last)};{escaped(given)};;;"]
    lines.append(f"FN:{escaped(shown)}")
    for entry in fields.get("EmailAddresses", ()):
        lines.append(f"EMAIL;TYPE=INTERNET:{entry.text}")
    for entry in fields.get("PhoneNumbers", ()):
        lines.append(f"TEL;TYPE={(entry.get('Key') or '').upper()}:{entry.text}")
    for member in fields.get("Members", ()):
        lines.append(f"X-MS-MEMBER:{text(member, 'Mailbox', 'EmailAddress') if len(member) else ''}")
    for entry in fields.get("PhysicalAddresses", ()):
        parts = (
            text(entry, name) or "" for name in ("Street", "City", "State", "PostalCode", "CountryOrRegion")
        )
        lines.append("ADR;TYPE=" + (entry.get("Key") or "").upper() + ":;;" + ";".join(map(escaped, parts)))
    photo = next((one.content for one in item.attachments if one.is_photo), None)
    if photo is not None:
        lines.append("PHOTO;ENCODING=B:" + base64.b64encode(photo).decode())
    lines += [f"REV:{utc(item.modified)}", "END:VCARD"]
    return "".join(f"{folded(line)}\r\n" for line in lines).encode()
