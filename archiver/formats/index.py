"""The index of a run: JSON lines, one row a line, opened by a header and closed by an end row.

Unknown keys are ignored, so that later archivers may add some. A row of an unknown kind is damage: a later
archiver that needs one announces it as a feature of the root.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from archiver.errors import Damaged
from archiver.rows import AnyRow, EndRow, HeaderRow, MessageRow

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[AnyRow] = msgspec.json.Decoder(AnyRow)


def index_key(chain: str, seq: int, unique: str) -> str:
    """Name the index of a run; `unique` is 8 hex digits, so that a retry never overwrites."""
    return f"chains/{chain}/indexes/{seq:08d}-{unique}.index.zst.age"


def encode_rows(rows: Iterable[AnyRow]) -> bytes:
    """Write rows as JSON lines in UTF-8."""
    return b"".join(_ENCODER.encode(row) + b"\n" for row in rows)


def encode_index(header: HeaderRow, rows: Sequence[AnyRow]) -> bytes:
    """Write a whole index: header, rows, end."""
    messages = [row for row in rows if isinstance(row, MessageRow)]
    end = EndRow(rows=len(rows), messages=len(messages), size=sum(row.size for row in messages))
    return encode_rows([header, *rows, end])


def decode_index(text: bytes, what: str = "the index") -> tuple[HeaderRow, list[AnyRow]]:
    """Read a whole index. Raises `Damaged` where it is cut, has an unknown row or does not count right."""
    rows = list(_decode_rows(text, what))
    if len(rows) < 2 or not isinstance(rows[0], HeaderRow) or not isinstance(rows[-1], EndRow):
        raise Damaged(f"{what} does not begin with a header and close with an end row")
    header, body, end = rows[0], rows[1:-1], rows[-1]
    if end.rows != len(body) or any(isinstance(row, HeaderRow | EndRow) for row in body):
        raise Damaged(f"{what} does not hold the {end.rows} rows that it counts")
    return header, body


def _decode_rows(text: bytes, what: str) -> Iterator[AnyRow]:
    if not text.endswith(b"\n"):
        raise Damaged(f"{what} does not end with a whole line")
    for number, line in enumerate(text[:-1].split(b"\n"), 1):
        try:
            yield _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Damaged(f"line {number} of {what} is not a row: {error}") from error


def hash_message_id(message_id: str) -> str:
    """Shorten a Message-ID to what the index keeps: recognisable, and no text of the mail."""
    return hashlib.sha256(message_id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
