"""The Message-ID of a message (RFC 5322 section 3.6.4), found without parsing the mail: every pull asks it of each."""

import re

HEADER_LIMIT = 256 << 10  # no reader of mail looks further for a header than this

_MESSAGE_ID = re.compile(rb"message-id:[ \t]*((?:[^\r\n]|\r?\n[ \t])*)", re.IGNORECASE)


def message_id(raw: bytes) -> str | None:
    """Find the Message-ID, white space stripped and folding undone; None where there is none."""
    end = raw.find(b"\r\n\r\n", 0, HEADER_LIMIT)
    limit = end + 2 if end >= 0 else HEADER_LIMIT
    end = raw.find(b"\n\n", 0, limit)  # mail in files has LF lines
    limit = end + 1 if end >= 0 else limit
    # a plain search finds the line, far faster than a pattern tried at the start of each
    at = (b"\n" + raw[:limit].lower()).find(b"\nmessage-id:")
    found = _MESSAGE_ID.match(raw, at, limit) if at >= 0 else None
    value = b"".join(found[1].split()).decode("utf-8", "surrogateescape") if found else ""
    return value or None
