"""ConvertId and ResolveNames, and the GetUserSettings of autodiscover.svc."""

import base64
import binascii
from collections.abc import Callable
from xml.etree.ElementTree import Element

from tests.servers.ews.call import Call
from tests.servers.ews.markup import DISCOVER, SOAP, children, find, m, make, serialize, t, text
from tests.servers.ews.refusals import Refused
from tests.servers.ews.soap import Build
from tests.servers.ews.state import Mailbox


def convert_id(call: Call) -> list[Element]:
    """Answer ConvertId, between ids of Exchange Web Services and ids of entries."""
    wanted = call.body.get("DestinationFormat") or ""

    def convert(one: Element) -> list[Element]:
        given = one.get("Id") or ""
        try:
            if one.get("Format") == "HexEntryId":
                given = bytes.fromhex(given).decode()
            elif one.get("Format") != "EwsId":
                given = base64.urlsafe_b64decode(given).decode()
        except (ValueError, binascii.Error):
            raise Refused("ErrorInvalidIdMalformed") from None
        if given not in call.site.items and given not in call.site.folders:
            raise Refused("ErrorInvalidIdMalformed")
        if wanted == "HexEntryId":
            given = given.encode().hex().upper()
        elif wanted != "EwsId":
            given = base64.urlsafe_b64encode(given.encode()).decode()
        attributes = {"Format": wanted, "Id": given, "Mailbox": one.get("Mailbox") or ""}
        made = m("AlternateId", **attributes)
        # the type's prefix is declared at the top of every envelope, whose header is of that namespace
        made.set("{http://www.w3.org/2001/XMLSchema-instance}type", "t:AlternateIdType")
        return [made]

    return call.each(children(call.body, "SourceIds"), convert)


def resolve_names(call: Call) -> list[Element]:
    """Answer ResolveNames: mailboxes whose address or name begins so."""

    def resolve(one: Element) -> list[Element]:
        wanted = (one.text or "").casefold().removeprefix("smtp:")
        found = [box for box in call.site.mailboxes.values() if box.address and _begins(box, wanted)]
        if not found:
            raise Refused("ErrorNameResolutionNoResults", "No results were found.")
        shown = [t("Resolution", _mailbox(box)) for box in found]
        counted = {"TotalItemsInView": str(len(found)), "IncludesLastItemInRange": "true"}
        return [m("ResolutionSet", *shown, **counted)]

    entry = find(call.body, "UnresolvedEntry")
    return call.each([] if entry is None else [entry], resolve)


def _begins(box: Mailbox, wanted: str) -> bool:
    return box.address.startswith(wanted) or box.display_name.casefold().startswith(wanted)


def _mailbox(box: Mailbox) -> Element:
    return t(
        "Mailbox",
        t("Name", box.display_name),
        t("EmailAddress", box.address),
        t("RoutingType", "SMTP"),
        t("MailboxType", "Mailbox"),
    )


OPERATIONS: dict[str, Callable[[Call], list[Element]]] = {
    "ConvertId": convert_id,
    "ResolveNames": resolve_names,
}


def _a(name: str, *content: Element | str) -> Element:
    return make(DISCOVER, name, *content)


def user_settings(body: Element, addresses: set[str], url: str, build: Build) -> bytes:
    """Answer GetUserSettings: where the mailboxes of the addresses that it knows are reached."""
    request = find(body, "Request")
    assert request is not None
    wanted = [one.text or "" for one in children(request, "RequestedSettings")]
    responses = []
    for user in children(request, "Users"):
        address = text(user, "Mailbox") or ""
        known = {"UserDisplayName": address, "AutoDiscoverSMTPAddress": address, "ExternalEwsUrl": url}
        known |= {
            "InternalEwsUrl": url,
            "EwsSupportedSchemas": "Exchange2013, Exchange2013_SP1, Exchange2016",
        }
        if address.casefold() not in addresses:
            responses.append(_response("InvalidUser", "The user does not exist.", []))
            continue
        told = [
            _a("UserSetting", _a("Name", name), _a("Value", known[name])) for name in wanted if name in known
        ]
        responses.append(_response("NoError", "No error.", told))
    version = _a(
        "ServerVersionInfo",
        _a("MajorVersion", str(build.major)),
        _a("MinorVersion", str(build.minor)),
        _a("MajorBuildNumber", str(build.major_build)),
        _a("MinorBuildNumber", str(build.minor_build)),
        _a("Version", "Exchange2016"),
    )
    inner = _a(
        "Response", _a("ErrorCode", "NoError"), _a("ErrorMessage", ""), _a("UserResponses", *responses)
    )
    answer = make(SOAP, "Body", _a("GetUserSettingsResponseMessage", inner))
    return serialize(make(SOAP, "Envelope", make(SOAP, "Header", version), answer))


def _response(code: str, told: str, settings: list[Element]) -> Element:
    return _a("UserResponse", _a("ErrorCode", code), _a("ErrorMessage", told), _a("UserSettings", *settings))
