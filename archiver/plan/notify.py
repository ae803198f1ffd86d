"""Whether a notice is to be sent: each failure once, its end once, and a reminder where it lasts."""

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from msgspec import Struct

from archiver.model import Notice

Occasion: TypeAlias = Literal["failure", "warning", "always"]
REMIND_AFTER = timedelta(days=7)


class Told(Struct, frozen=True):
    """What was last sent of a command: the code word of its trouble, and when."""

    code: str
    at: datetime


def due(occasion: Occasion, notice: Notice, told: Told | None) -> bool:
    """Tell whether to send. `told` is the trouble that was last sent and whose end was not; None where all is well."""
    if occasion == "always":
        return True
    if notice.outcome == "ok":
        return told is not None
    if notice.outcome == "warning" and occasion == "failure":
        return told is not None and notice.code != "interrupted"  # it works again, if in part
    return told is None or told.code != notice.code or notice.ended - told.at >= REMIND_AFTER


def remembered(occasion: Occasion, notice: Notice) -> Told | None:
    """Give what to remember when a notice was sent: None when it told of no trouble that counts."""
    counts = notice.outcome == "failure" or (notice.outcome == "warning" and occasion != "failure")
    return Told(notice.code, notice.ended) if counts else None
