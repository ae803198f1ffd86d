"""Contacts as vCards: read by a library that archiver does not use, they say what was meant."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import vobject

from archiver.formats.contact import contact
from archiver.formats.note import note
from archiver.formats.record import Attached
from archiver.items import Contact, ContactGroup, Labelled, Note, Person, PostalAddress

PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20


def read(content: bytes) -> Any:
    """The vCard as `vobject` reads it; every line is short, and its end CRLF."""
    assert content.replace(b"\r\n", b"").count(b"\n") == content.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(map(len, content.split(b"\r\n"))) <= 75
    return vobject.readOne(content.decode())


def labelled(card: Any, name: str) -> list[tuple[str, list[str], str | None]]:
    """The lines of a name: their values, their types, and the label that is grouped with them."""
    found = []
    for one in card.contents.get(name, []):
        label = next(
            (
                each.value
                for each in card.contents.get("x-ablabel", [])
                if one.group and each.group == one.group
            ),
            None,
        )
        found.append((one.value, one.params.get("TYPE", []), label))
    return found


def test_a_person_comes_back_with_every_field() -> None:
    one = Contact(
        name="Dr. Jürgen K. Müller",
        file_as="Müller, Jürgen",
        given="Jürgen",
        middle="K.",
        surname="Müller",
        title="Dr.",
        suffix="jr.",
        nickname="Jogi",
        company="Example; Ltd",
        department="R&D, Labs",
        job="Engineer",
        profession="Physicist",
        birthday=date(1980, 2, 29),
        anniversary=date(2010, 5, 1),
        categories=("friends", "a,b"),
        sensitivity="private",
        body="first line\nsecond; line",
        modified=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    card = read(contact(one, uid="c1"))
    assert card.version.value == "3.0"
    assert (card.uid.value, card.fn.value) == ("c1", "Dr. Jürgen K. Müller")
    name = card.n.value
    assert (name.family, name.given, name.additional, name.prefix, name.suffix) == (
        "Müller",
        "Jürgen",
        "K.",
        "Dr.",
        "jr.",
    )
    assert card.org.value == ["Example; Ltd", "R&D, Labs"]
    told = {
        key: card.contents[key][0].value
        for key in (
            "sort-string",
            "nickname",
            "title",
            "role",
            "bday",
            "x-anniversary",
            "note",
            "class",
            "rev",
        )
    }
    assert told == {
        "sort-string": "Müller, Jürgen",
        "nickname": "Jogi",
        "title": "Engineer",
        "role": "Physicist",
        "bday": "1980-02-29",
        "x-anniversary": "2010-05-01",
        "note": "first line\nsecond; line",
        "class": "PRIVATE",
        "rev": "2026-01-02T03:04:05Z",
    }
    assert card.categories.value == ["friends", "a,b"]


def test_each_address_keeps_its_label_in_types_that_are_known_and_in_words_else() -> None:
    card = read(
        contact(
            Contact(
                name="Ann",
                emails=(
                    Labelled("a@x"),
                    Labelled("b@x", "work"),
                    Labelled("c@x", "the boat"),
                    Labelled("d@x", "mobile"),
                ),
                phones=(
                    Labelled("1", "home"),
                    Labelled("2", "work fax"),
                    Labelled("3", "mobile"),
                    Labelled("4", "assistant"),
                    Labelled("5", "home 2"),
                ),
                urls=(Labelled("https://x/;,", "work"),),
                chats=(Labelled("sip:a@x"),),
            )
        )
    )
    assert labelled(card, "email") == [
        ("a@x", ["INTERNET"], None),
        ("b@x", ["INTERNET", "WORK"], None),
        ("c@x", ["INTERNET"], "the boat"),
        ("d@x", ["INTERNET"], "mobile"),
    ]
    assert labelled(card, "tel") == [
        ("1", ["HOME"], None),
        ("2", ["WORK", "FAX"], None),
        ("3", ["CELL"], None),
        ("4", [], "assistant"),
        ("5", ["HOME"], "home 2"),
    ]
    assert labelled(card, "url") == [("https://x/;,", ["WORK"], None)]
    assert labelled(card, "impp") == [("sip:a@x", [], None)]


def test_relatives_are_told_in_the_words_that_programs_agreed_on() -> None:
    card = read(
        contact(Contact(name="Ann", spouse="Bob", children=("Cy", "Di"), manager="Ed", assistant="Flo"))
    )
    found = [(value, label) for value, _, label in labelled(card, "x-abrelatednames")]
    assert found == [
        ("Bob", "_$!<Spouse>!$_"),
        ("Cy", "_$!<Child>!$_"),
        ("Di", "_$!<Child>!$_"),
        ("Ed", "_$!<Manager>!$_"),
        ("Flo", "_$!<Assistant>!$_"),
    ]


def test_postal_addresses_keep_their_parts_and_the_office_is_at_work() -> None:
    work = PostalAddress("work", "Main St 1; rear", "Berlin", "BE", "10115", "Germany")
    other = PostalAddress("boat", city="Kiel")
    card = read(contact(Contact(name="Ann", office="4.21", addresses=(other, work))))
    boat, at_work = card.contents["adr"]
    assert (boat.value.city, boat.value.extended, boat.params.get("TYPE")) == ("Kiel", "", None)
    found = at_work.value
    assert (found.street, found.city, found.region, found.code, found.country, found.extended) == (
        "Main St 1; rear",
        "Berlin",
        "BE",
        "10115",
        "Germany",
        "4.21",
    )
    assert at_work.params["TYPE"] == ["WORK"]
    alone = read(contact(Contact(name="Ann", office="4.21")))
    assert alone.adr.value.extended == "4.21"


def test_a_photo_stands_in_the_card_and_no_other_file() -> None:
    one = Contact(name="Ann", photo="me.jpg", attachments=("cv.pdf",))
    card = read(
        contact(
            one, [Attached("cv.pdf", "application/pdf", b"%PDF"), Attached("me.jpg", "image/jpeg", PHOTO)]
        )
    )
    assert card.photo.value == PHOTO
    assert card.photo.params["TYPE"] == ["JPEG"]
    assert len(card.contents["photo"]) == 1
    assert "photo" not in read(contact(one)).contents


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (Contact(given="Ann", surname="Lee"), "Ann Lee"),
        (Contact(file_as="Lee, Ann"), "Lee, Ann"),
        (Contact(company="Example"), "Example"),
        (Contact(emails=(Labelled("a@x"),)), "a@x"),
        (Contact(name=" \n"), "-"),
    ],
)
def test_a_card_always_has_a_name_to_show(one: Contact, shown: str) -> None:
    assert read(contact(one)).fn.value == shown


def test_a_list_names_its_members_for_both_sorts_of_reader() -> None:
    group = ContactGroup(
        name="Team; ü", members=(Person("Ann, Lee", "ann@x"), Person("", "b@x"), Person("Nobody"))
    )
    card = read(contact(group, uid="g1"))
    assert (card.uid.value, card.fn.value, card.n.value.family) == ("g1", "Team; ü", "Team; ü")
    for kind, member in (("kind", "member"), ("x-addressbookserver-kind", "x-addressbookserver-member")):
        assert card.contents[kind][0].value == "group"
        found = [(one.value, one.params.get("X-CN")) for one in card.contents[member]]
        assert found == [("mailto:ann@x", ["Ann, Lee"]), ("mailto:b@x", None), ("invalid:nomail", ["Nobody"])]


def test_no_text_can_begin_a_line_of_its_own() -> None:
    foe = "x\r\nEND:VCARD\r\nBEGIN:VCARD\x85Y:\u2028Z:\x00\ud800;,\\"
    one = Contact(
        name=foe,
        file_as=foe,
        given=foe,
        company=foe,
        office=foe,
        spouse=foe,
        body=foe,
        categories=(foe,),
        emails=(Labelled(foe, foe),),
        phones=(Labelled(foe, foe),),
        addresses=(PostalAddress(foe, foe, foe),),
    )
    group = ContactGroup(name=foe, members=(Person(foe, foe),))
    for content in (contact(one, uid=foe), contact(group)):
        read(content)
        assert [one for one in content.split(b"\r\n") if one.startswith((b"BEGIN", b"END", b"Y", b"Z"))] == [
            b"BEGIN:VCARD",
            b"END:VCARD",
        ]


def test_the_same_contact_is_the_same_card() -> None:
    assert contact(Contact(name="Ann")) == contact(Contact(name="Ann")) != contact(Contact(name="Ann Lee"))


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (Note(subject="shopping", body="milk\neggs"), "shopping\r\n\r\nmilk\r\neggs\r\n"),
        (Note(subject="milk", body="milk\r\neggs\r\n\r\n"), "milk\r\neggs\r\n"),
        (Note(body="grüße"), "grüße\r\n"),
        (Note(subject="only"), "only\r\n\r\n\r\n".rstrip() + "\r\n"),
    ],
)
def test_a_note_is_its_text(one: Note, text: str) -> None:
    assert note(one).decode() == text
