"""A restore of the whole corpus to an empty mailbox, beside a push of the same mail from plain files."""

from collections.abc import Iterator

from bench.measure import Used, in_turns
from bench.setting import Setting
from bench.table import Row, compared


def restore(setting: Setting) -> Iterator[Row]:
    """Compare with mbsync; every round begins with an empty mailbox."""
    user = setting.fill("corpus")
    archiver = setting.archiver("restore", user)
    mbsync = setting.mbsync("restore-mbsync", user)
    mbsync.first_pull()

    def restored() -> Used:
        archiver.first_pull()
        return archiver.restore(setting.empty("restored"))

    def pushed() -> Used:
        return mbsync.push(setting.empty("pushed"))

    ours, theirs = in_turns(setting.rounds, restored, pushed)
    yield compared(f"restore of {setting.messages:,} messages", ours, theirs, "mbsync push", 0.2)
