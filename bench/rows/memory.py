"""The most memory that a pull holds."""

from collections.abc import Iterator

from bench.setting import Setting
from bench.table import Row, mib

_MAILBOXES = (
    ("corpus", "peak memory of a pull of {:,} messages", 200),
    ("big", "the same, with a message of 100 MiB", 600),
)


def memory(setting: Setting) -> Iterator[Row]:
    """Look at pulls of the corpus, and of a mailbox with one message of 100 MiB."""
    for name, what, limit in _MAILBOXES:
        archiver = setting.archiver(f"memory-{name}", setting.fill(name))
        rss = max(archiver.first_pull().rss for _ in range(min(setting.rounds, 3)))
        yield Row(what.format(setting.messages), mib(rss), "", "", f"{limit} MiB", rss <= limit << 20)
