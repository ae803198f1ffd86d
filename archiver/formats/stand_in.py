"""Know what a server sends in the place of a message that it cannot give."""

import re

# https://github.com/freescout-help-desk/freescout/issues/3203, OfflineIMAP/offlineimap#62,
# calcom/cal.diy#2429: Exchange answers a message that it cannot convert with one of its own: From "Microsoft
# Exchange Server", this Subject (folded), this first line. All three must be there, and at their places, so
# that real mail which quotes them, or is forwarded, is never taken for a stand-in.
_STAND_IN_LIMIT = 16 * 1024
_STAND_IN_MARKS = (b"Retrieval using the IMAP4 protocol", b"Retrieval using the POP3 protocol")
_STAND_IN_SUBJECT = re.compile(
    rb"^Subject:\s+Retrieval\s+using\s+the\s+(?:IMAP4|POP3)\s+protocol\s+failed\s+for\s+the\s+following\s+message:",
    re.MULTILINE | re.IGNORECASE,
)
_STAND_IN_FROM = re.compile(rb"^From:\s+\"?Microsoft Exchange Server", re.MULTILINE | re.IGNORECASE)
_STAND_IN_BODY = b"The server couldn't retrieve the following message:"


def is_stand_in(raw: bytes) -> bool:
    """Tell whether these are not the message but Exchange's excuse for it."""
    if len(raw) > _STAND_IN_LIMIT or not any(mark in raw for mark in _STAND_IN_MARKS):
        return False
    head, blank, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not blank or not body.lstrip().startswith(_STAND_IN_BODY):
        return False
    return bool(_STAND_IN_SUBJECT.search(head) and _STAND_IN_FROM.search(head))
