"""A night with nothing new, in one account and in many: time, bytes on the line, bytes in the archive."""

from collections.abc import Iterator

from bench.delay import Delay
from bench.measure import in_turns, median
from bench.programs import Archiver
from bench.setting import NIGHTLY, Setting
from bench.table import Row, compared

_MAIL = b"From: ann@example.org\r\nSubject: one\r\nMessage-ID: <%s-%d@example.org>\r\n\r\nHello.\r\n"
_MESSAGES = 5
_MOST_BYTES = 2_000  # of an account, both ways


def night(setting: Setting) -> Iterator[Row]:
    """Compare many accounts with one, and several at a time with one after the other, 50 ms away."""
    for user in NIGHTLY:
        for number in range(_MESSAGES):
            setting.server.deliver(user, _MAIL % (user.encode(), number))
    count = len(NIGHTLY)
    near = _ready(setting.archiver("night", NIGHTLY[0]))
    many, one = in_turns(setting.rounds, near.pull_all, near.pull)
    yield compared(f"nothing new in {count} accounts", many, one, "archiver, 1 account", 4)

    with Delay(setting.server.imap) as line:
        far = _ready(setting.archiver("night-far", NIGHTLY[0], port=line.port))
        size, passed = far.size(), line.passed
        used = [far.pull_all() for _ in range(setting.rounds)]
        bytes_each = (line.passed - passed) / setting.rounds / count
        grown = far.size() - size
        serial = far.pull_all("--jobs", "1")
    what = f"the same {count}, 50 ms away"
    yield compared(what, median(used), serial, "archiver, one after the other", 0.4)
    told, most = f"{bytes_each:,.0f} B", f"{_MOST_BYTES:,} B"
    yield Row("bytes on the line for each of them", told, "", "", most, bytes_each <= _MOST_BYTES)
    yield Row("bytes added to the archive", f"{grown} B", "", "", "0 B", grown == 0)


def _ready(archiver: Archiver) -> Archiver:
    """Have all accounts, pulled once."""
    archiver.make()
    for user in NIGHTLY[1:]:
        archiver.add(user)
    archiver.pull_all()
    return archiver
