"""The namespaces of Exchange Web Services, and the making and reading of elements."""

import copy
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
DISCOVER = "http://schemas.microsoft.com/exchange/2010/Autodiscover"

for _prefix, _space in (("s", SOAP), ("m", MESSAGES), ("t", TYPES), ("e", ERRORS), ("a", DISCOVER)):
    ET.register_namespace(_prefix, _space)

Child = Element | str | None


def make(space: str, name: str, *children: Child, **attributes: str) -> Element:
    """Make an element; a string among the children is its text, None is passed over."""
    made = Element(f"{{{space}}}{name}", attributes)
    for child in children:
        if isinstance(child, str):
            made.text = child
        elif child is not None:
            made.append(child)
    return made


def t(name: str, *children: Child, **attributes: str) -> Element:
    """Make an element of the types' namespace."""
    return make(TYPES, name, *children, **attributes)


def m(name: str, *children: Child, **attributes: str) -> Element:
    """Make an element of the messages' namespace."""
    return make(MESSAGES, name, *children, **attributes)


def local(element: Element) -> str:
    """Give the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def find(element: Element, *names: str) -> Element | None:
    """Go down by the local names of children; None where there is none."""
    found: Element | None = element
    for name in names:
        found = next((child for child in found if local(child) == name), None) if found is not None else None
    return found


def children(element: Element, *names: str) -> list[Element]:
    """Give the children of what `find` finds."""
    found = find(element, *names)
    return [] if found is None else list(found)


def text(element: Element | None, *names: str) -> str | None:
    """Give the text of what `find` finds; None where there is none."""
    found = None if element is None else find(element, *names)
    return None if found is None else found.text or ""


def clone(element: Element) -> Element:
    """Copy an element with all in it."""
    return copy.deepcopy(element)


def boolean(value: bool) -> str:
    """Write a truth value as Exchange does: never "1" or "0", which exchangelib misreads."""
    return "true" if value else "false"


def is_true(written: str | None) -> bool:
    """Read a truth value; clients may write it as a digit."""
    return written in ("true", "1")


def moment(when: datetime) -> str:
    """Write a time in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(written: str) -> datetime:
    """Read a time; one without a zone is UTC."""
    read = datetime.fromisoformat(written.strip())
    return read if read.tzinfo else read.replace(tzinfo=UTC)


# Exchange sends characters that XML 1.0 does not know as references, which no strict parser takes.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def serialize(element: Element) -> bytes:
    """Write a document, with control characters as references."""
    raw: bytes = ET.tostring(element, encoding="utf-8", xml_declaration=True)
    return _CONTROL.sub(lambda found: b"&#x%X;" % found[0][0], raw)
