"""How messages are laid into objects; layouts differ in nothing else. A new one is listed here."""

from archiver.archive.layout.maildir import MaildirLayout
from archiver.archive.layout.mbox import MboxLayout
from archiver.ports import Layout

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (MboxLayout(), MaildirLayout())}
