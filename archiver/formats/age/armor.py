"""The text form of an age file: strict PEM (age v1, "ASCII armor"; RFC 7468, section 3).

Archives are binary; this serves keys on paper and files from elsewhere.
"""

import base64
import binascii

from archiver.formats.age.errors import BadArmor

_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
_END = b"-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64


def encode_armor(data: bytes) -> bytes:
    """Write a binary age file as text with LF line ends."""
    text = base64.b64encode(data)
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return b"\n".join([_BEGIN, *lines, _END, b""])


def decode_armor(data: bytes) -> bytes:
    """Read the text form; raises `BadArmor`.

    Lines end in LF or CRLF, blank lines may stand before and after, and nothing else is let pass.
    """
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    full = [number for number, line in enumerate(lines) if line.strip()]
    lines = lines[full[0] : full[-1] + 1] if full else []
    if not lines or lines[0] != _BEGIN:
        raise _bad("it does not begin with the line of an age file")
    if lines[-1] != _END or len(lines) < 2:
        raise _bad("it does not end with the line of an age file")
    body = lines[1:-1]
    if any(len(line) != _COLUMNS for line in body[:-1]) or not all(
        0 < len(line) <= _COLUMNS for line in body[-1:]
    ):
        raise _bad("a line is not 64 characters long")
    text = b"".join(body)
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        decoded = None
    if decoded is None or base64.b64encode(decoded) != text:
        raise _bad("it is not canonical Base64")
    return decoded


def _bad(why: str) -> BadArmor:
    return BadArmor(f"the age armor is damaged: {why}", "fetch the text again, unchanged")
