"""Modified UTF-7, the encoding of mailbox names (RFC 3501 section 5.1.3).

Printable ASCII stands for itself, `&` is `&-`, all else is UTF-16 in base64 with `,` for `/` and no padding,
between `&` and `-`.
"""

import binascii
import re

_PLAIN = re.compile(r"[^\x20-\x7e]+|&")
_SHIFT = re.compile(rb"&([^-]*)-")
_BASE64 = re.compile(rb"[A-Za-z0-9+,]+")


class BadName(ValueError):
    """The bytes are not modified UTF-7 in its one correct form."""


def encode(text: str) -> bytes:
    """Encode a name. Raises `BadName` for text with half a surrogate pair, which no name can hold."""
    try:
        return _PLAIN.sub(_shifted, text).encode("ascii")
    except UnicodeEncodeError as error:
        raise BadName("half a surrogate pair cannot be a folder name") from error


def _shifted(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    packed = binascii.b2a_base64(found[0].encode("utf-16-be"), newline=False)
    return "&" + packed.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode(raw: bytes) -> str:
    """Decode a name; `encode` of the result gives the same bytes back. Raises `BadName` for all else."""
    try:
        text = "".join(_pieces(raw))
        same = encode(text) == raw
    except (UnicodeDecodeError, binascii.Error) as error:
        raise BadName("not modified UTF-7") from error
    if not same:
        raise BadName("not modified UTF-7 as RFC 3501 writes it")
    return text


def _pieces(raw: bytes) -> list[str]:
    found = []
    at = 0
    for shift in _SHIFT.finditer(raw):
        found.append(raw[at : shift.start()].decode("ascii"))
        found.append(_unshifted(shift[1]))
        at = shift.end()
    found.append(raw[at:].decode("ascii"))
    return found


def _unshifted(packed: bytes) -> str:
    if not packed:
        return "&"
    if not _BASE64.fullmatch(packed):
        raise BadName("not modified UTF-7")
    padded = packed.replace(b",", b"/") + b"=" * (-len(packed) % 4)
    return binascii.a2b_base64(padded).decode("utf-16-be")
