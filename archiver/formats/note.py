"""A note, or an entry of a journal, as plain text: its subject, an empty line, its text."""

from archiver.formats.content_lines import plain
from archiver.items import Note


def note(item: Note) -> bytes:
    """Write the text, in UTF-8 and with CRLF. A subject that only repeats the first line is left out."""
    body, subject = plain(item.body), plain(item.subject).strip()
    repeats = body.lstrip().partition("\n")[0].strip() == subject
    text = body if repeats or not subject else f"{subject}\n\n{body}"
    return (text.rstrip("\n") + "\n").replace("\n", "\r\n").encode("utf-8", "replace")
