"""Folder names: the server's mailbox bytes to archiver's text and back, without loss.

archiver joins the components of a name with `/`; a `/` within a component (where the server separates by another
character, or not at all) is escaped (`formats.folder_name`).
"""

from archiver.accounts.imap import utf7
from archiver.formats.folder_name import component, name_of


def text(mailbox: bytes, separator: str | None, *, utf8: bool = False) -> str:
    """Give a mailbox's decoded name; INBOX in any case is `INBOX` (RFC 3501 section 5.1).

    With `utf8` (RFC 6855, UTF8=ACCEPT) names come as UTF-8, otherwise in modified UTF-7. A name in neither
    form is read as UTF-8 where it is that, else its odd bytes are shown as `\\xNN`.
    """
    decoded = decode(mailbox, utf8=utf8)
    if decoded.upper() == "INBOX":
        return "INBOX"
    parts = decoded.split(separator) if separator else [decoded]
    return "/".join(component(part) for part in parts)


def mailbox(name: str, separator: str | None, *, utf8: bool = False) -> bytes:
    """Give the bytes that name the folder to the server; undoes `text` for every well-formed name."""
    joined = (separator or "/").join(name_of(part) for part in name.split("/"))
    return joined.encode("utf-8") if utf8 else utf7.encode(joined)


def decode(mailbox: bytes, *, utf8: bool) -> str:
    """Decode a mailbox name in whatever encoding it is."""
    if not utf8:
        try:
            return utf7.decode(mailbox)
        except utf7.BadName:
            pass
    try:
        return mailbox.decode("utf-8")
    except UnicodeDecodeError:
        return shown(mailbox)


def shown(mailbox: bytes) -> str:
    """Show the bytes of a name that no decoding fits, or that another name already took."""
    return mailbox.decode("ascii", "backslashreplace")
