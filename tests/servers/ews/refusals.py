"""What an operation refuses: one item or folder of a request, or the request as a whole."""

from xml.etree.ElementTree import Element

TEXTS = {
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorIrresolvableConflict": "The send or update operation could not be performed because the change key "
    "passed in the request does not match the current change key for the item.",
    "ErrorStaleObject": "The change key passed in the request does not match the current change key for the item.",
    "ErrorInvalidSyncStateData": "Synchronization state data is corrupt or otherwise invalid.",
    "ErrorInvalidPropertySet": "Set action is invalid for property.",
    "ErrorInvalidPropertyRequest": "The request is not valid for the property.",
    "ErrorFolderExists": "A folder with the specified name already exists.",
    "ErrorCorruptData": "The item is corrupt.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
}


class Refused(Exception):
    """One item or folder is refused; `code` is a ResponseCode of the schema."""

    def __init__(self, code: str, text: str = "", detail: Element | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or TEXTS.get(code, f"The request failed: {code}.")
        self.detail = detail


class Faulted(Exception):
    """The request as a whole is answered with a SOAP fault."""

    def __init__(self, code: str, text: str = "", values: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or TEXTS.get(code, f"The request failed: {code}.")
        self.values = values or {}


class Bare(Exception):
    """The request as a whole is answered with a SOAP fault that has no code of Exchange: `status` is that of HTTP."""

    def __init__(self, text: str, code: str = "SOAP:Server", status: int = 500) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.status = status
