"""Dates of receipt as files tell them: made by anybody, and to be of use to every reader of an archive."""

from datetime import UTC, datetime


def receipt(at: datetime) -> datetime | None:
    """Give a date of receipt in UTC and whole seconds; None for one that no mail can have.

    Years before 1970 and after 9998 are no dates of receipt, and cannot be told in every zone.
    """
    try:
        utc = at.astimezone(UTC).replace(microsecond=0)
    except (OverflowError, ValueError):
        return None
    return utc if 1970 <= utc.year <= 9998 else None
