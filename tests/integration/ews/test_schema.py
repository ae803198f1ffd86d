"""Every request and reply of the double fits the schemas of Microsoft."""

import pytest
from exchangelib.errors import (
    EWSError,
)
from exchangelib.services import GetItem
from lxml import etree

from tests.integration.ews.client import ANN, account, handle
from tests.servers.ews import soap
from tests.servers.ews.builder import Owner
from tests.servers.ews.filling import fill
from tests.servers.ews.order import FIELDS
from tests.servers.ews.schema import FOLDER, require_schemas
from tests.servers.ews.server import EwsDouble


def test_a_request_that_breaks_the_schema_is_a_fault_and_fails_the_test() -> None:
    require_schemas()

    class Odd(GetItem):  # type: ignore[misc]
        def get_payload(self, items: object, additional_fields: object, shape: object) -> object:
            payload = super().get_payload(items=items, additional_fields=additional_fields, shape=shape)
            payload.remove(payload[0])
            return payload

    with pytest.raises(AssertionError, match="is not expected"), EwsDouble() as double:
        item = double.add_mailbox(ANN).folder("notes").add_note("note")
        with account(double.url) as opened:
            with pytest.raises(EWSError) as raised:
                list(Odd(account=opened).call(items=[handle(item)], additional_fields=None, shape="IdOnly"))
            assert type(raised.value).__name__ == "ErrorSchemaValidation"


def test_everything_about_a_mailbox_with_all_kinds_fits_the_schema(double: EwsDouble, ann: Owner) -> None:
    require_schemas()
    made = fill(ann, 120)
    with account(double.url) as opened:
        got = list(opened.fetch([handle(item) for item in made]))
        assert [type(one).__name__ for one in got] == [item.element for item in made]
        assert all(one.mime_content for one in got)
        assert all(isinstance(one, str) for one in opened.export([handle(item) for item in made]))
    assert double.violations == []
    assert {item.element for item in made} == {
        *("Message", "CalendarItem", "Contact", "DistributionList", "Task", "PostItem"),
        *("MeetingRequest", "MeetingResponse", "MeetingCancellation"),
    }


@pytest.mark.parametrize("build", [soap.EXCHANGE_2013_SP1, soap.EXCHANGE_2016, soap.EXCHANGE_ONLINE])
def test_the_double_can_be_another_build(build: soap.Build) -> None:
    with EwsDouble(build=build) as double:
        double.add_mailbox(ANN)
        with account(double.url) as opened:
            assert "Inbox" in {folder.name for folder in opened.root.walk()}
            assert opened.version.build.major_build == build.major_build


def test_every_field_stands_in_the_order_of_the_schema() -> None:
    require_schemas()
    space = "{http://www.w3.org/2001/XMLSchema}"
    types = {
        one.get("name"): one for one in etree.parse(str(FOLDER / "types.xsd")).iterfind(f"{space}complexType")
    }

    def fields(name: str) -> list[str]:
        found = types[name]
        extension = found.find(f"{space}complexContent/{space}extension")
        base = [] if extension is None else fields(extension.get("base").removeprefix("t:"))
        holder = found if extension is None else extension
        return base + [one.get("name") for one in holder.iterfind(f"{space}sequence/{space}element")]

    names = {"Contact": "ContactItemType"}
    names |= {
        f"Meeting{kind}": f"Meeting{kind}MessageType" for kind in ("Request", "Response", "Cancellation")
    }
    for element, known in FIELDS.items():
        assert known == fields(names.get(element, f"{element}Type")), element
