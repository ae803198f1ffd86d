"""Every request and reply held against Microsoft's schemas, where they are at hand."""

import functools
import re
from pathlib import Path

import pytest
from lxml import etree

from tests.servers.ews.markup import MESSAGES, SOAP, TYPES

FOLDER = Path(__file__).parents[3].parent / "shared" / "testdata" / "ews-schema"
AT_HAND = (FOLDER / "messages.xsd").is_file()
# RequestServerVersion: the schema ends with Exchange2013_SP1; the double judges versions itself
_UNCHECKED_HEADERS = {f"{{{TYPES}}}RequestServerVersion"}
# servers got more distinguished folders since
_LATER_NAMES = re.compile(r"DistinguishedFolderId', attribute 'Id'")
_CONTROL = re.compile(rb"&#x[01]?[0-9A-F];")


def require_schemas() -> None:
    """Skip the test, and say so, where the schemas are not at hand."""
    if not AT_HAND:
        pytest.skip(f"this test needs the schemas of Exchange Web Services in {FOLDER}")


@functools.cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(FOLDER / "messages.xsd")))


def violations(envelope: bytes) -> list[str]:
    """Tell what is wrong with a SOAP envelope by the schemas; nothing where they are not at hand."""
    if not AT_HAND:
        return []
    try:
        # references to control characters are what Exchange sends, and are looked past
        root = etree.fromstring(_CONTROL.sub(b"", envelope), etree.XMLParser(huge_tree=True))
    except etree.XMLSyntaxError as error:
        return [f"no XML: {error}"]
    parts = [part for where in ("Header", "Body") for part in root.iterfind(f"{{{SOAP}}}{where}/*")]
    found = []
    for part in parts:
        if part.tag in _UNCHECKED_HEADERS or not part.tag.startswith((f"{{{MESSAGES}}}", f"{{{TYPES}}}")):
            continue
        alone = etree.ElementTree(etree.fromstring(etree.tostring(part), etree.XMLParser(huge_tree=True)))
        schema = _schema()
        if not schema.validate(alone):
            told = [one.message for one in schema.error_log if not _LATER_NAMES.search(one.message)]
            found += [f"{part.tag.rpartition('}')[2]}: {one}" for one in told]
    return found
