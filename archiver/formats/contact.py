"""Contacts and groups of them as vCards that other programs read. The same item is the same bytes.

Of version 3.0 (RFC 2426): what is written in it is read everywhere, while several address books refuse 4.0 (RFC
6350). What 3.0 lacks stands in the fields that programs agreed on: labels of one's own and relatives as Apple
writes them, groups as both Apple and RFC 6350 do.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC

from archiver.formats.content_lines import CLASSES, binary_line, escaped, line, made_uid, plain, text_line
from archiver.formats.record import Attached
from archiver.items import Contact, ContactGroup, Labelled, Person, PostalAddress

_TYPES = {
    "home": "HOME",
    "private": "HOME",
    "work": "WORK",
    "business": "WORK",
    "mobile": "CELL",
    "cell": "CELL",
    "fax": "FAX",
    "pager": "PAGER",
    "car": "CAR",
    "isdn": "ISDN",
    "primary": "PREF",
    "preferred": "PREF",
}
_NO_PHONE = frozenset({"CELL", "FAX", "PAGER", "CAR", "ISDN"})  # of these, only a phone can be one
_PICTURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP"}


def contact(item: Contact | ContactGroup, attachments: Sequence[Attached] = (), uid: str = "") -> bytes:
    """Write a vCard, in UTF-8 and with CRLF. A contact's photo is found among `attachments`.

    `uid` is what a program knows it by when it comes again; without one it is made of the content.
    """
    lines = _group(item) if isinstance(item, ContactGroup) else _Card(item).lines(attachments)
    uid = uid or made_uid(item)
    return b"".join(
        [
            line("BEGIN", "VCARD"),
            line("VERSION", "3.0"),
            line("UID", escaped(uid)),
            *lines,
            line("END", "VCARD"),
        ]
    )


class _Card:
    """Writes one contact; lines with a label of its own are numbered (`item1.TEL`, `item1.X-ABLabel`)."""

    def __init__(self, item: Contact) -> None:
        self._item = item
        self._number = 0

    def lines(self, attachments: Sequence[Attached]) -> Iterator[bytes]:
        one = self._item
        yield text_line("FN", _full_name(one))
        yield _structured("N", one.surname, one.given, one.middle, one.title, one.suffix)
        yield text_line("SORT-STRING", one.file_as)
        yield text_line("NICKNAME", one.nickname)
        if one.company or one.department:
            yield _structured("ORG", one.company, *([one.department] if one.department else []))
        yield text_line("TITLE", one.job)
        yield text_line("ROLE", one.profession)
        for email in one.emails:
            yield from self._labelled("EMAIL", email, ["INTERNET"])
        for phone in one.phones:
            yield from self._labelled("TEL", phone, [])
        for chat in one.chats:
            yield from self._labelled("IMPP", chat, [])
        for url in one.urls:
            yield from self._labelled("URL", url, [])
        yield from self._addresses()
        yield line("BDAY", one.birthday.isoformat()) if one.birthday else b""
        yield line("X-ANNIVERSARY", one.anniversary.isoformat()) if one.anniversary else b""
        for label, names in (
            ("Spouse", [one.spouse]),
            ("Child", list(one.children)),
            ("Manager", [one.manager]),
            ("Assistant", [one.assistant]),
        ):
            for name in names:
                yield from (
                    self._numbered("X-ABRELATEDNAMES", escaped(name), {}, f"_$!<{label}>!$_") if name else ()
                )
        yield from _common(one)
        yield from _photo(one, attachments)

    def _labelled(self, name: str, one: Labelled, types: Sequence[str]) -> Iterator[bytes]:
        """Write an address of some sort: its label in the types that vCard knows, else in words."""
        words = re.findall(r"\w+", one.label.lower())
        known = [_TYPES[word] for word in words if word in _TYPES]
        fit = [each for each in known if name == "TEL" or each not in _NO_PHONE]
        told = list(dict.fromkeys([*types, *fit]))
        parameters = {"TYPE": ",".join(told)} if told else {}
        value = escaped(one.value)
        if len(fit) == len(words):
            yield _typed(name, value, parameters)
        else:
            yield from self._numbered(name, value, parameters, one.label)

    def _numbered(self, name: str, value: str, parameters: dict[str, str], label: str) -> Iterator[bytes]:
        self._number += 1
        yield _typed(f"item{self._number}.{name}", value, parameters)
        yield text_line(f"item{self._number}.X-ABLabel", label)

    def _addresses(self) -> Iterator[bytes]:
        office = self._item.office
        for one in self._item.addresses:
            at_work = _TYPES.get(one.label.lower()) == "WORK"
            yield from self._address(one, office if at_work else "")
            office = "" if at_work else office
        if office:
            yield from self._address(PostalAddress("work"), office)

    def _address(self, one: PostalAddress, office: str) -> Iterator[bytes]:
        value = ["", office, one.street, one.city, one.region, one.postal_code, one.country]
        told = ";".join(map(escaped, value))
        kind = _TYPES.get(one.label.lower())
        if kind in ("HOME", "WORK") or not one.label:
            yield _typed("ADR", told, {"TYPE": kind} if kind else {})
        else:
            yield from self._numbered("ADR", told, {}, one.label)


def _group(group: ContactGroup) -> Iterator[bytes]:
    yield text_line("FN", group.name or group.subject or "-")
    yield _structured("N", group.name or group.subject, "", "", "", "")
    for name in ("KIND", "X-ADDRESSBOOKSERVER-KIND"):
        yield line(name, "group")
    for member in group.members:
        for name in ("MEMBER", "X-ADDRESSBOOKSERVER-MEMBER"):
            yield _member(name, member)
    yield from _common(group)


def _member(name: str, member: Person) -> bytes:
    address = "".join(plain(member.address).split())
    called = {"X-CN": member.name} if member.name.strip() else {}
    return line(name, f"mailto:{escaped(address)}" if address else "invalid:nomail", called)


def _common(one: Contact | ContactGroup) -> Iterator[bytes]:
    named = [escaped(each) for each in one.categories if each.strip()]
    yield line("CATEGORIES", ",".join(named)) if named else b""
    yield text_line("NOTE", one.body)
    yield line("CLASS", CLASSES[one.sensitivity]) if one.sensitivity in CLASSES else b""
    yield line("REV", f"{one.modified.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}") if one.modified else b""


def _photo(one: Contact, attachments: Sequence[Attached]) -> Iterator[bytes]:
    for each in attachments:
        if one.photo is not None and each.name == one.photo:
            kind = next((kind for mark, kind in _PICTURES.items() if each.content.startswith(mark)), "JPEG")
            yield binary_line("PHOTO", each.content, {"ENCODING": "b", "TYPE": kind})
            return


def _typed(name: str, value: str, parameters: dict[str, str]) -> bytes:
    """Write a line whose `TYPE` is a list: its comma parts the types, and must not be quoted."""
    told = "".join(f";{key}={one}" for key, one in parameters.items())
    return line(name + told, value)


def _structured(name: str, *parts: str) -> bytes:
    return line(name, ";".join(map(escaped, parts)))


def _full_name(one: Contact) -> str:
    """Give the name to be shown, which a vCard must have."""
    names = " ".join(each for each in (one.given, one.middle, one.surname) if each)
    addresses = [each.value for each in (*one.emails, *one.phones)]
    found = (one.name, names, one.file_as, one.company, one.subject, *addresses, "-")
    return next(each for each in found if plain(each).strip())
