"""The grammar of t:Restriction: which items or folders a search finds."""

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

from tests.servers.ews.markup import find, local, parse_moment
from tests.servers.ews.refusals import Refused

Look = Callable[[Element], str | None]
"""Gives what a path tells of the item in question."""

_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "IsEqualTo": lambda sign: sign == 0,
    "IsNotEqualTo": lambda sign: sign != 0,
    "IsGreaterThan": lambda sign: sign > 0,
    "IsGreaterThanOrEqualTo": lambda sign: sign >= 0,
    "IsLessThan": lambda sign: sign < 0,
    "IsLessThanOrEqualTo": lambda sign: sign <= 0,
}


def matches(expression: Element, look: Look) -> bool:
    """Judge one search expression."""
    name = local(expression)
    if name in ("And", "Or", "Not"):
        judged = (matches(part, look) for part in expression)
        return any(judged) if name == "Or" else all(judged) is (name == "And")
    if name == "Exists":
        return look(expression[0]) is not None
    if name == "Contains":
        return _contains(expression, look)
    if name in _COMPARISONS:
        left, right = look(expression[0]), _operand(expression[1], look)
        if left is None or right is None:
            return name == "IsNotEqualTo"
        return _COMPARISONS[name](compare(left, right))
    raise Refused("ErrorUnsupportedPathForQuery", f"{name} is not supported")


def _operand(element: Element, look: Look) -> str | None:
    constant = find(element, "Constant")
    return constant.get("Value") if constant is not None else look(element[0])


def _contains(expression: Element, look: Look) -> bool:
    value, constant = look(expression[0]), find(expression, "Constant")
    assert constant is not None
    wanted = constant.get("Value") or ""
    if value is None:
        return False
    if "IgnoreCase" in (expression.get("ContainmentComparison") or ""):
        value, wanted = value.casefold(), wanted.casefold()
    mode = expression.get("ContainmentMode")
    if mode == "FullString":
        return value == wanted
    if mode in ("Prefixed", "PrefixOnWords"):
        return value.startswith(wanted)
    return wanted in value


def compare(left: str, right: str) -> int:
    """Compare two values as times or numbers where both are, else as texts without regard to case."""
    for read in (_as_moment, _as_boolean, _as_number):
        try:
            first, second = read(left), read(right)
        except ValueError:
            continue
        return (first > second) - (first < second)
    one, other = left.casefold(), right.casefold()
    return (one > other) - (one < other)


def _as_moment(value: str) -> float:
    if "T" not in value:
        raise ValueError(value)
    return parse_moment(value).timestamp()


def _as_boolean(value: str) -> float:
    # exchangelib writes the constant as a digit
    if value not in ("true", "false", "0", "1"):
        raise ValueError(value)
    return float(value in ("true", "1"))


def _as_number(value: str) -> float:
    # leading zeros and exponents are of names that happen to have digits alone
    if not re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d+)?", value):
        raise ValueError(value)
    return float(value)
