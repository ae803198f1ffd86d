"""Which of several accounts has its turn next: so many at a time, and at most one of each mailbox."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

JOBS = 4
"""Accounts at a time where nobody says otherwise: no more than the strictest servers let in from one address
(Courier's MAXPERIP is 4 by default).
"""


class Limits(Struct, frozen=True):
    """How many accounts are worked on at a time: in all, and of one server."""

    jobs: int = JOBS
    jobs_per_host: int | None = None


class Lane(Struct, frozen=True):
    """What an account keeps busy: a server, none for mail in files, and a mailbox there."""

    host: str
    mailbox: str


def lane(host: str, mailbox: str) -> Lane:
    """Name a lane: neither hosts nor, with any server that matters, users differ by the case of their letters."""
    return Lane(host.casefold().rstrip("."), mailbox.casefold())


def next_turn(waiting: Sequence[Lane], running: Iterable[Lane], limits: Limits) -> int | None:
    """Choose the first that waits and may begin beside those that run; None where there is none."""
    running = list(running)
    if len(running) >= limits.jobs:
        return None
    for number, one in enumerate(waiting):
        there = sum(other.host == one.host for other in running)
        full = bool(one.host) and limits.jobs_per_host is not None and there >= limits.jobs_per_host
        if one not in running and not full:
            return number
    return None
