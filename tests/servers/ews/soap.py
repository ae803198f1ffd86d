"""The frame of requests and replies: envelopes, response messages, faults."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from tests.servers.ews.markup import ERRORS, SOAP, find, local, m, make, serialize, t
from tests.servers.ews.refusals import Bare, Faulted, Refused


@dataclass(frozen=True)
class Build:
    """What ServerVersionInfo tells. The default is Exchange Server SE."""

    major: int = 15
    minor: int = 2
    major_build: int = 2562
    minor_build: int = 17
    version: str = "V2017_07_11"

    def element(self) -> Element:
        """Write it for the header."""
        return t(
            "ServerVersionInfo",
            MajorVersion=str(self.major),
            MinorVersion=str(self.minor),
            MajorBuildNumber=str(self.major_build),
            MinorBuildNumber=str(self.minor_build),
            Version=self.version,
        )


EXCHANGE_2013_SP1 = Build(15, 0, 1497, 48, "Exchange2013_SP1")
EXCHANGE_2016 = Build(15, 1, 2507, 39, "V2017_07_11")
EXCHANGE_ONLINE = Build(15, 20, 9343, 16, "V2018_01_08")


@dataclass(frozen=True)
class Request:
    """A request as it was sent: its operation, the element of the body, and what the header tells."""

    operation: str
    body: Element
    version: str | None
    impersonated: str | None


def read(raw: bytes) -> Request:
    """Read an envelope. Refuses what is none."""
    try:
        root = ET.fromstring(raw)
    except ET.ParseError as error:
        raise Faulted("ErrorSchemaValidation", f"The request failed schema validation: {error}") from None
    body = find(root, "Body")
    if body is None or not len(body):
        raise Faulted("ErrorSchemaValidation", "The request failed schema validation: no body.")
    header = find(root, "Header")
    version = None if header is None else find(header, "RequestServerVersion")
    identity = None if header is None else find(header, "ExchangeImpersonation", "ConnectingSID")
    impersonated = None if identity is None or not len(identity) else identity[0].text
    return Request(local(body[0]), body[0], None if version is None else version.get("Version"), impersonated)


def success(operation: str, *content: Element) -> Element:
    """Make the message for one that went well."""
    return m(f"{operation}ResponseMessage", m("ResponseCode", "NoError"), *content, ResponseClass="Success")


def failure(operation: str, refused: Refused, *empty: Element) -> Element:
    """Make the message for one that was refused; `empty` are the elements that the schema wants all the same."""
    detail = m("MessageXml", refused.detail) if refused.detail is not None else None
    return m(
        f"{operation}ResponseMessage",
        m("MessageText", refused.text),
        m("ResponseCode", refused.code),
        m("DescriptiveLinkKey", "0"),
        detail,
        *empty,
        ResponseClass="Error",
    )


def response(operation: str, messages: list[Element]) -> Element:
    """Make the element of a reply's body."""
    return m(f"{operation}Response", m("ResponseMessages", *messages))


def envelope(body: Element, build: Build) -> bytes:
    """Write a reply."""
    header = make(SOAP, "Header", build.element())
    return serialize(make(SOAP, "Envelope", header, make(SOAP, "Body", body)))


def fault(faulted: Faulted) -> bytes:
    """Write a SOAP fault, which goes out with status 500."""
    values = [t("Value", value, Name=name) for name, value in faulted.values.items()]
    detail = Element("detail")
    detail.append(make(ERRORS, "ResponseCode", faulted.code))
    detail.append(make(ERRORS, "Message", faulted.text))
    if values:
        detail.append(t("MessageXml", *values))
    code, string = Element("faultcode"), Element("faultstring")
    code.text, string.text = f"a:{faulted.code}", faulted.text
    shown = make(SOAP, "Fault", code, string, detail)
    return serialize(make(SOAP, "Envelope", make(SOAP, "Body", shown)))


def bare_fault(bare: Bare) -> bytes:
    """Write a SOAP fault as servers of other makers do: without any detail."""
    code, string = Element("faultcode"), Element("faultstring")
    code.text, string.text = bare.code, bare.text
    return serialize(make(SOAP, "Envelope", make(SOAP, "Body", make(SOAP, "Fault", code, string))))
