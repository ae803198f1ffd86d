"""Which night has which trouble: the year, or the same troubles in fewer nights."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

YEAR = 365
FIRST = datetime(2025, 1, 1, 2, 30, tzinfo=UTC)  # in the past: Dovecot takes no mail of next year
KILL_EVERY = 10


class Trouble(StrEnum):
    """What is wrong in a night; its value is the code that the pull ends with, but for the last ones."""

    DOWN = "unreachable"
    WRONG_PASSWORD = "login-refused"
    FULL = "disk-full"
    HELD = "locked"
    YEARS_AHEAD = "untrusted-certificate"  # the server's certificate has ended by then
    WEEKS_AHEAD = "weeks ahead"
    DAYS_BACK = "days back"
    RENUMBERED = "renumbered"

    @property
    def fails(self) -> bool:
        """Whether the pull of such a night must fail."""
        return self not in (Trouble.WEEKS_AHEAD, Trouble.DAYS_BACK, Trouble.RENUMBERED)


@dataclass(frozen=True)
class Episode:
    """A trouble that lasts for some nights; in a short year `least` are enough, none where that is 0."""

    trouble: Trouble
    first: int
    nights: int = 1
    least: int = 1


EPISODES = (
    Episode(Trouble.DOWN, 17),
    Episode(Trouble.DOWN, 44, 3, 2),
    Episode(Trouble.DAYS_BACK, 60),
    Episode(Trouble.WRONG_PASSWORD, 75, 7, 3),
    Episode(Trouble.HELD, 101),
    Episode(Trouble.RENUMBERED, 118),
    Episode(Trouble.DOWN, 133, 1, 0),
    Episode(Trouble.FULL, 149, 2, 2),
    Episode(Trouble.YEARS_AHEAD, 182),
    Episode(Trouble.DOWN, 201, 1, 0),
    Episode(Trouble.WEEKS_AHEAD, 226),
    Episode(Trouble.DOWN, 252, 3, 0),
    Episode(Trouble.WRONG_PASSWORD, 277, 2, 0),
    Episode(Trouble.HELD, 298, 1, 0),
    Episode(Trouble.FULL, 316, 2, 0),
    Episode(Trouble.DOWN, 339, 1, 0),
)


def troubles(nights: int) -> dict[int, Trouble]:
    """Give the trouble of each night that has one; nights count from 1, and each episode ends in a good night."""
    found: dict[int, Trouble] = {}
    free = 2
    for episode in EPISODES:
        length = episode.nights if nights >= YEAR else episode.least
        if length:
            first = max(free, episode.first * min(nights, YEAR) // YEAR)
            found |= dict.fromkeys(range(first, first + length), episode.trouble)
            free = first + length + 1
    assert free <= nights + 1, f"{nights} nights are too few for all that goes wrong in a year"
    return found


def clock_of(night: int, trouble: Trouble | None) -> datetime:
    """Tell what the clock of the machine shows when the run of a night begins."""
    wrong = {
        Trouble.YEARS_AHEAD: timedelta(days=3 * YEAR),
        Trouble.WEEKS_AHEAD: timedelta(days=40),
        Trouble.DAYS_BACK: timedelta(days=-2),
    }
    right = FIRST + timedelta(days=night - 1)
    return right if trouble is None else right + wrong.get(trouble, timedelta(0))


def is_killed(night: int) -> bool:
    """Tell whether a run of this night is killed."""
    return night % KILL_EVERY == 0
