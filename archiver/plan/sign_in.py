"""When a sign-in will die, and when to say so: pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

WARN_BEFORE = timedelta(days=14)
"""How early to warn; of a sign-in that lives for a few days, in the last third of its life."""


class Standing(StrEnum):
    """How a sign-in stands."""

    NONE = "none"
    GOOD = "good"
    SOON = "soon"
    LOST = "lost"


class SignIn(Struct, frozen=True):
    """What is known of a sign-in, without its secrets. Times are aware.

    `at` is when the person signed in, `used` when the tokens were last renewed; `until` is when the provider said
    that they die whatever happens; `idle_s` is how long they live without use. `lost` is why they were refused,
    `kept` where the secrets are, `client` who signed in where and for what.
    """

    at: datetime
    used: datetime
    until: datetime | None = None
    idle_s: int | None = None
    lost: str | None = None
    kept: str = "sealed"
    client: str = ""


class Outlook(Struct, frozen=True):
    """How a sign-in stands, when it dies if nothing happens, and whether a run would put that off."""

    standing: Standing
    dies: datetime | None = None
    by_idling: bool = False
    why: str | None = None


def outlook(known: SignIn | None, now: datetime) -> Outlook:
    """Tell how a sign-in stands at a time."""
    if known is None:
        return Outlook(Standing.NONE)
    if known.lost is not None:
        return Outlook(Standing.LOST, why=known.lost)
    idle = None if known.idle_s is None else known.used + timedelta(seconds=known.idle_s)
    deaths = [each for each in (known.until, idle) if each is not None]
    if not deaths:
        return Outlook(Standing.GOOD)
    dies = min(deaths)
    by_idling = dies != known.until
    if now >= dies:
        return Outlook(Standing.LOST, dies, by_idling, "it has expired")
    life = dies - (known.used if by_idling else known.at)
    soon = now >= dies - min(WARN_BEFORE, life / 3)
    return Outlook(Standing.SOON if soon else Standing.GOOD, dies, by_idling)
