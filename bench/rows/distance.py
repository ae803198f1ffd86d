"""A server far away: 50 ms there and back."""

from collections.abc import Iterator

from bench.delay import Delay
from bench.measure import in_turns
from bench.setting import Setting
from bench.table import Row, compared


def distance(setting: Setting) -> Iterator[Row]:
    """Compare with mbsync, small messages."""
    user = setting.fill("small")
    with Delay(setting.server.imap) as line:
        archiver = setting.archiver("distance", user, port=line.port)
        mbsync = setting.mbsync("distance-mbsync", user, port=line.port)
        ours, theirs = in_turns(setting.rounds, archiver.first_pull, mbsync.first_pull)
    what = f"pull of {setting.small:,} small messages, 50 ms away"
    yield compared(what, ours, theirs, "mbsync", 1.0)
