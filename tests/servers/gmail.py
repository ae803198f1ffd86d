"""Gmail as a double: one message under many labels, its folders called as in the user's language."""

from dataclasses import dataclass, field

from tests.servers.imap_double import Mail
from tests.servers.stateful_double import Box, StatefulDouble

CAPABILITIES = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ UIDPLUS MOVE SPECIAL-USE LIST-EXTENDED X-GM-EXT-1"
ENGLISH = {
    "\\All": "All Mail",
    "\\Drafts": "Drafts",
    "\\Important": "Important",
    "\\Sent": "Sent Mail",
    "\\Junk": "Spam",
    "\\Flagged": "Starred",
    "\\Trash": "Trash",
}
GERMAN = {
    "\\All": "Alle Nachrichten",
    "\\Drafts": "Entw&APw-rfe",
    "\\Important": "Wichtig",
    "\\Sent": "Gesendet",
    "\\Junk": "Spam",
    "\\Flagged": "Markiert",
    "\\Trash": "Papierkorb",
}


def _boxes() -> dict[str, Box]:
    return {"INBOX": Box(attributes=b"\\HasNoChildren"), "[Gmail]": Box(attributes=b"\\Noselect")}


@dataclass
class GmailDouble(StatefulDouble):
    """The server; `language` gives its own folders their names, and their UIDs never agree."""

    capabilities: str = CAPABILITIES
    boxes: dict[str, Box] = field(default_factory=_boxes)
    gmail: bool = True
    language: dict[str, str] = field(default_factory=lambda: ENGLISH)

    def __post_init__(self) -> None:
        super().__post_init__()
        for number, (use, name) in enumerate(self.language.items(), 2):
            attributes = b"\\HasNoChildren " + use.encode()
            self.boxes["[Gmail]/" + name] = Box(
                uidvalidity=number, uidnext=100 * number, attributes=attributes
            )

    def special(self, use: str) -> Box:
        """Find the folder of a special use."""
        return self.boxes["[Gmail]/" + self.language[use]]

    def file(self, raw: bytes, *names: str, flags: str = "", date: str | None = None) -> Mail:
        """Put a message into all mail and into the folders of these names; a folder that is not there is made."""
        mail = Mail(raw, flags)
        mail.date = date or mail.date
        self.special("\\All").put(mail)
        for name in names:
            box = self.boxes.setdefault(name, Box(uidvalidity=50 + len(self.boxes)))
            box.put(mail)
        return mail

    def labels(self) -> dict[bytes, frozenset[str]]:
        """Tell, of every message by its bytes, in which folders it is."""
        raws = {mail.raw for box in self.boxes.values() for mail in box.mails.values()}
        return {
            raw: frozenset(
                name for name, box in self.boxes.items() if any(one.raw == raw for one in box.mails.values())
            )
            for raw in raws
        }
