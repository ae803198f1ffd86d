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

_PATTERNS: dict[Any, Every] = {
    ews.DailyPattern: "DAILY",
    ews.WeeklyPattern: "WEEKLY",
    ews.AbsoluteMonthlyPattern: "MONTHLY",
    ews.RelativeMonthlyPattern: "MONTHLY",
    ews.AbsoluteYearlyPattern: "YEARLY",
    ews.RelativeYearlyPattern: "YEARLY",
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
    kind = type(pattern)
    if kind in _REGENERATIONS:
        return {"every": _REGENERATIONS[kind], "interval": pattern.interval, "regenerates": True}
    told: dict[str, Any] = {"every": _PATTERNS[kind], "interval": getattr(pattern, "interval", 1)}
    if kind is ews.WeeklyPattern:
        told["days"] = tuple(DAYS[one - 1] for one in pattern.weekdays)
        told["first_weekday"] = DAYS[(pattern.first_day_of_week or 1) - 1]
    if hasattr(pattern, "month"):
        told["month"] = pattern.month
    if hasattr(pattern, "day_of_month"):
        told["month_day"] = pattern.day_of_month
    return told | (_relative(pattern) if hasattr(pattern, "week_number") else {})


def _relative(pattern: Any) -> dict[str, Any]:
    day = pattern.weekday
    return {"days": _SETS.get(day) or (DAYS[day - 1],), "week": _WEEKS[pattern.week_number]}


def exchange_recurrence(given: Recurrence, start: date, *, of_task: bool = False) -> Any:
    """Write a recurrence of an event, or of a task, that first comes on a day."""
    if given.count is not None:
        boundary: Any = ews.NumberedPattern(start=_ews_date(start), number=given.count)
    elif given.until is not None:
        boundary = ews.EndDatePattern(start=_ews_date(start), end=_ews_date(given.until))
    else:
        boundary = ews.NoEndPattern(start=_ews_date(start))
    kind = ews.TaskRecurrence if of_task else ews.Recurrence
    return kind(pattern=_exchange_pattern(given, start), boundary=boundary)


def _exchange_pattern(given: Recurrence, start: date) -> Any:
    if given.regenerates:
        kind = next(kind for kind, every in _REGENERATIONS.items() if every == given.every)
        return kind(interval=given.interval)
    days = [DAYS.index(one) + 1 for one in given.days]
    relative = given.week is not None and bool(days) and given.every in ("MONTHLY", "YEARLY")
    kinds = [kind for kind, every in _PATTERNS.items() if every == given.every]
    kind = kinds[-1] if relative else kinds[0]
    told: dict[str, Any] = {}
    if given.every != "YEARLY":
        told["interval"] = given.interval
    else:
        told["month"] = given.month or start.month
    if given.every == "WEEKLY":
        told["weekdays"] = days or [start.isoweekday()]
        told["first_day_of_week"] = DAYS.index(given.first_weekday or "MO") + 1
    elif relative:
        told["weekday"] = next((one for one, some in _SETS.items() if set(some) == set(given.days)), days[0])
        told["week_number"] = 5 if given.week == -1 else given.week
    elif given.every != "DAILY":
        told["day_of_month"] = given.month_day or start.day
    return kind(**told)


def _ews_date(day: date) -> Any:
    return EWSDate(day.year, day.month, day.day)
