"""A pull when nothing has changed."""

from collections.abc import Iterator

from bench.measure import in_turns
from bench.setting import Setting
from bench.table import Row, compared


def nothing(setting: Setting) -> Iterator[Row]:
    """Compare with mbsync on the corpus."""
    user = setting.fill("corpus")
    archiver, mbsync = (
        setting.archiver("nothing", user),
        setting.mbsync("nothing-mbsync", user, durable=False),
    )
    archiver.first_pull()
    mbsync.first_pull()
    ours, theirs = in_turns(setting.rounds, archiver.pull, mbsync.pull)
    yield compared(f"nothing new in {setting.messages:,} messages", ours, theirs, "mbsync", 0.5)
