"""Large mailboxes: what a run costs must come from what changed, not from what is there."""

import itertools
from collections.abc import Iterator

from bench.measure import Used, in_turns
from bench.setting import Setting
from bench.table import Row, compared

_FLAGGED, _NEW = 100, 10
_MAIL = b"From: ann@example.org\r\nSubject: one more\r\nMessage-ID: <more-%d@example.org>\r\n\r\nNew.\r\n"


def many(setting: Setting) -> Iterator[Row]:
    """Compare archiver with itself: many messages with few, and some changes with none."""
    large, little = setting.fill("many"), setting.fill("few")
    of_many, of_few = setting.archiver("many", large), setting.archiver("few", little)
    of_many.first_pull()
    of_few.first_pull()
    ours, fewer = in_turns(setting.rounds, of_many.pull, of_few.pull)
    what = f"nothing new in {setting.many:,} messages"
    yield compared(what, ours, fewer, f"archiver, {setting.few:,} messages", 1.3)

    number = itertools.count()
    step = max(1, setting.many // _FLAGGED)
    uids = ",".join(str(uid) for uid in range(1, _FLAGGED * step + 1, step))

    def change() -> None:
        turn = next(number)
        setting.server.doveadm(
            *("flags", "add" if turn % 2 == 0 else "remove", "-u", large),
            *("\\Flagged", "mailbox", "INBOX", "uid", uids),
        )
        for one in range(_NEW):
            setting.server.deliver(large, _MAIL % (turn * _NEW + one))

    def changed_pull() -> Used:
        change()
        return of_many.pull()

    changed, ours = in_turns(setting.rounds, changed_pull, of_many.pull)
    what = f"{_FLAGGED} flag changes and {_NEW} new in {setting.many:,} messages"
    yield compared(what, changed, ours, "archiver, nothing new", 1.5)
