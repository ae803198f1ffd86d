"""The textual header of an age file: version, stanzas, MAC (age v1, "Header")."""

import binascii
import hmac
import re
from collections.abc import Sequence

from msgspec import Struct

from archiver.formats.age.errors import BadHeader, BadMac
from archiver.formats.age.keys import hkdf

HEADER_LIMIT = 64 * 1024
STANZA_LIMIT = 20
_VERSION = b"age-encryption.org/v1"
_COLUMNS = 64
_ARGUMENTS = re.compile(rb"-> ([!-~]+(?: [!-~]+)*)")  # 1*VCHAR each, one space between
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")
_MAC_LINE = re.compile(rb"--- ([A-Za-z0-9+/]{43})")
_HINT = "the object is damaged or was not written by age; take it from another copy"


class Stanza(Struct, frozen=True):
    """One wrapping of the file key: what kind it is, the arguments of that kind, the body."""

    kind: str
    arguments: tuple[str, ...]
    body: bytes


class Header(Struct, frozen=True):
    """A header read: its stanzas, its MAC, the bytes under the MAC, and its length in the file."""

    stanzas: tuple[Stanza, ...]
    mac: bytes
    signed: bytes
    size: int


def write_header(file_key: bytes, stanzas: Sequence[Stanza]) -> bytes:
    """Write the header that carries `file_key` in these stanzas."""
    lines = [_VERSION]
    for stanza in stanzas:
        lines.append(" ".join(("->", stanza.kind, *stanza.arguments)).encode("ascii"))
        text = encode_base64(stanza.body).encode("ascii")
        # the last line is shorter than 64 characters, if need be empty
        lines += [text[start : start + _COLUMNS] for start in range(0, len(text) + 1, _COLUMNS)]
    lines.append(b"---")
    signed = b"\n".join(lines)
    return b"%s %s\n" % (signed, encode_base64(_mac(file_key, signed)).encode("ascii"))


def header_end(data: bytes | bytearray) -> int | None:
    """Tell where the header ends, just past its MAC line, or None where `data` does not reach so far."""
    # neither an argument line nor a line of Base64 can begin with three dashes
    mark = data.find(b"\n---")
    end = data.find(b"\n", mark + 1) if mark >= 0 else -1
    return None if end < 0 else end + 1


def read_header(data: bytes) -> Header:
    """Read the header that `data` begins with, by the strict grammar; raises `BadHeader`.

    The MAC is not checked here: that takes the file key (`check_mac`).
    """
    if not data.startswith(_VERSION + b"\n"):
        raise bad_header("it does not begin as that of age version 1 does")
    end = header_end(data[:HEADER_LIMIT])
    if end is None:
        raise bad_header("it has no end" if len(data) < HEADER_LIMIT else "it is longer than 64 KiB")
    lines = data[: end - 1].split(b"\n")[1:]
    found = _MAC_LINE.fullmatch(lines.pop())
    if found is None:
        raise bad_header("its last line is malformed")
    mac = decode_base64(found[1])
    stanzas = _read_stanzas(lines)
    return Header(stanzas, mac, data[: end - len(found[0]) + 2], end)


def check_mac(header: Header, file_key: bytes) -> None:
    """Prove that whoever knew the file key wrote this header; raises `BadMac`."""
    if not hmac.compare_digest(header.mac, _mac(file_key, header.signed)):
        raise BadMac("the age header does not match its authentication code", _HINT)


def encode_base64(data: bytes) -> str:
    """Write Base64 without padding (RFC 4648, section 4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=")


def decode_base64(text: bytes) -> bytes:
    """Read Base64 without padding in its one canonical form; raises `BadHeader`."""
    if not _BASE64.fullmatch(text) or len(text) % 4 == 1:
        raise bad_header("it has text that is not Base64")
    data = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    if encode_base64(data).encode("ascii") != text:
        raise bad_header("it has Base64 that no encoder writes")
    return data


def bad_header(why: str) -> BadHeader:
    """Make the error for a header that must not be read on, with the reason."""
    return BadHeader(f"the age header is damaged: {why}", _HINT)


def _mac(file_key: bytes, signed: bytes) -> bytes:
    return hmac.digest(hkdf(file_key, b"", b"header"), signed, "sha256")


def _read_stanzas(lines: list[bytes]) -> tuple[Stanza, ...]:
    stanzas: list[Stanza] = []
    rest = iter(lines)
    for line in rest:
        found = _ARGUMENTS.fullmatch(line)
        if found is None:
            raise bad_header("a stanza begins with a malformed line")
        if len(stanzas) == STANZA_LIMIT:
            raise bad_header(f"it has more than {STANZA_LIMIT} stanzas")
        kind, *arguments = found[1].decode("ascii").split(" ")
        body = b""
        for piece in rest:
            body += piece
            if len(piece) != _COLUMNS:
                break
        else:
            raise bad_header("a stanza has no last line")
        if len(piece) > _COLUMNS:
            raise bad_header("a line of a stanza is longer than 64 characters")
        stanzas.append(Stanza(kind, tuple(arguments), decode_base64(body)))
    if not stanzas:
        raise bad_header("it has no stanza")
    return tuple(stanzas)
