"""How an item comes again: exchangelib's patterns and boundaries, and `items.Recurrence`, both ways."""

from datetime import date
from typing import Any, Literal

from exchangelib import EWSDate
from exchangelib import recurrence as ews

from archiver.items import Recurrence, Weekday

DAYS: tuple[Weekday, ...] = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# exchangelib counts weekdays from 1, and goes on with Day, Weekday and WeekendDay
_SETS: dict[int, tuple[Weekday, ...]] = {8: DAYS, 9: DAYS[:5], 10: DAYS[5:]}
_WEEKS = {1: 1, 2: 2, 3: 3, 4: 4, 5: -1}

Every = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
_REGENERATIONS: dict[Any, Every] = {
    ews.DailyRegeneration: "DAILY",
    ews.WeeklyRegeneration: "WEEKLY",
    ews.MonthlyRegeneration: "MONTHLY",
    ews.YearlyRegeneration: "YEARLY",
}


def recurrence_of(given: Any) -> Recurrence | None:
    """Read a recurrence; None where there is none."""
    if given is None or given.pattern is None:
        return None
    pattern, boundary = given.pattern, given.boundary
    told: dict[str, Any] = _pattern(pattern)
    if isinstance(boundary, ews.NumberedPattern):
        told["count"] = boundary.number
    elif isinstance(boundary, ews.EndDatePattern):
        told["until"] = date(boundary.end.year, boundary.end.month, boundary.end.day)
    return Recurrence(**told)


def _pattern(pattern: Any) -> dict[str, Any]:
    for kind, every in _REGENERATIONS.items():
        if isinstance(pattern, kind):
            return {"every": every, "interval": pattern.interval, "regenerates": True}
    match pattern:
        case ews.DailyPattern():
            return {"every": "DAILY", "interval": pattern.interval}
        case ews.WeeklyPattern():
            days = tuple(DAYS[one - 1] for one in pattern.weekdays)
            first = DAYS[(pattern.first_day_of_week or 1) - 1]
            return {"every": "WEEKLY", "interval": pattern.interval, "days": days, "first_weekday": first}
        case ews.AbsoluteMonthlyPattern():
            return {"every": "MONTHLY", "interval": pattern.interval, "month_day": pattern.day_of_month}
        case ews.RelativeMonthlyPattern():
            return {"every": "MONTHLY", "interval": pattern.interval, **_relative(pattern)}
        case ews.AbsoluteYearlyPattern():
            return {"every": "YEARLY", "month": pattern.month, "month_day": pattern.day_of_month}
        case _:
            return {"every": "YEARLY", "month": pattern.month, **_relative(pattern)}


def _relative(pattern: Any) -> dict[str, Any]:
    day = pattern.weekday
    return {"days": _SETS.get(day) or (DAYS[day - 1],), "week": _WEEKS[pattern.week_number]}


def exchange_recurrence(given: Recurrence, start: date) -> Any:
    """Write a recurrence of an item that first comes on a day."""
    if given.count is not None:
        boundary: Any = ews.NumberedPattern(start=_ews_date(start), number=given.count)
    elif given.until is not None:
        boundary = ews.EndDatePattern(start=_ews_date(start), end=_ews_date(given.until))
    else:
        boundary = ews.NoEndPattern(start=_ews_date(start))
    kind = ews.TaskRecurrence if given.regenerates else ews.Recurrence
    return kind(pattern=_exchange_pattern(given, start), boundary=boundary)


def _exchange_pattern(given: Recurrence, start: date) -> Any:
    if given.regenerates:
        kind = next(kind for kind, every in _REGENERATIONS.items() if every == given.every)
        return kind(interval=given.interval)
    days = [DAYS.index(one) + 1 for one in given.days]
    month_day, month = given.month_day or start.day, given.month or start.month
    if given.every == "DAILY":
        return ews.DailyPattern(interval=given.interval)
    if given.every == "WEEKLY":
        first = DAYS.index(given.first_weekday or "MO") + 1
        return ews.WeeklyPattern(
            interval=given.interval, weekdays=days or [start.isoweekday()], first_day_of_week=first
        )
    if given.week is not None and days:
        week = 5 if given.week < 0 else given.week
        same = next((number for number, one in _SETS.items() if set(one) == set(given.days)), days[0])
        if given.every == "MONTHLY":
            return ews.RelativeMonthlyPattern(interval=given.interval, weekday=same, week_number=week)
        return ews.RelativeYearlyPattern(weekday=same, week_number=week, month=month)
    if given.every == "MONTHLY":
        return ews.AbsoluteMonthlyPattern(interval=given.interval, day_of_month=month_day)
    return ews.AbsoluteYearlyPattern(day_of_month=month_day, month=month)


def _ews_date(day: date) -> Any:
    return EWSDate(day.year, day.month, day.day)
