"""A first pull by POP3."""

from collections.abc import Iterator

from bench.measure import in_turns
from bench.setting import Setting
from bench.table import Row, compared


def pop3(setting: Setting) -> Iterator[Row]:
    """Compare with getmail, small messages."""
    user = setting.fill("few")
    archiver = setting.archiver_by_pop3("pop3", user)
    getmail = setting.getmail("pop3-getmail", user)
    ours, theirs = in_turns(setting.rounds, archiver.first_pull, getmail.first_pull)
    yield compared(f"pull of {setting.few:,} small messages by POP3", ours, theirs, "getmail", 0.2)
