"""The VTIMEZONEs that Exchange writes into calendars, by the ids of Windows."""

from zoneinfo import ZoneInfo

# Windows id -> IANA name, offsets of standard and daylight time, when each begins (RRULE), and at what hour
_RULES = {
    "W. Europe Standard Time": ("Europe/Berlin", "+0100", "+0200", ("-1SU", 10, "03"), ("-1SU", 3, "02")),
    "Eastern Standard Time": ("America/New_York", "-0500", "-0400", ("1SU", 11, "02"), ("2SU", 3, "02")),
    "Tokyo Standard Time": ("Asia/Tokyo", "+0900", "+0900", None, None),
}


def known(zone: str | None) -> ZoneInfo | None:
    """Give the zone of a Windows id; None for UTC, and for an id that is not known."""
    return ZoneInfo(_RULES[zone][0]) if zone in _RULES else None


def lines(zone: str) -> list[str]:
    """Write the VTIMEZONE of a known id, as Exchange does: rules that begin in 1601."""
    _, standard, daylight, to_standard, to_daylight = _RULES[zone]
    written = ["BEGIN:VTIMEZONE", f"TZID:{zone}"]
    written += _part("STANDARD", daylight, standard, to_standard)
    written += _part("DAYLIGHT", standard, daylight, to_daylight)
    return [*written, "END:VTIMEZONE"]


def _part(name: str, before: str, after: str, begins: tuple[str, int, str] | None) -> list[str]:
    hour = "00" if begins is None else begins[2]
    head = [f"BEGIN:{name}", f"DTSTART:16010101T{hour}0000", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}"]
    rule = [] if begins is None else [f"RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY={begins[0]};BYMONTH={begins[1]}"]
    return [*head, *rule, f"END:{name}"]
