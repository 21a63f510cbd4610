"""How two unequal birth dates may both have been written for one person. An explanation for people, never a proof."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from functools import lru_cache

from borax.calendars.lunardate import LunarDate


class DateDifference(StrEnum):
    """What may explain that two birth dates differ."""

    DEFAULT_DAY = "default-day"  # one is a placeholder, or 1 January where only the year was known
    NEAR = "near"  # at most two days apart
    SWAPPED = "swapped"  # month and day exchanged
    LUNAR = "lunar"  # one is the other's day in the Chinese lunar calendar, written as if it were solar
    TRANSPOSED = "transposed"  # two neighbouring digits exchanged
    YEAR = "year"  # the day of the year is the same
    ONE_DIGIT = "one-digit"  # one digit differs


_PLACEHOLDERS = frozenset({
    "1900-01-01", "1899-12-30", "1899-12-31", "1901-01-01", "1970-01-01", "1800-01-01", "1753-01-01", "0001-01-01",
    "1111-11-11", "9999-12-31",
})  # fmt: skip


def is_default_date(text: str) -> bool:
    """Whether software or a clerk put it for want of a date: the zero of a calendar, or a year nobody living was born
    in (before 1880, after 2200). Anything that is no complete date is none."""
    born = _read(text)
    return text in _PLACEHOLDERS or (born is not None and not 1880 <= born.year <= 2200)


@lru_cache(4096)
def explain_difference(a: str, b: str) -> DateDifference | None:
    """What may explain that two complete birth dates (YYYY-MM-DD) differ, the likeliest first; None when nothing here
    does, when they are equal, or when one is no complete date."""
    one, other = _read(a), _read(b)
    if one is None or other is None or one == other:
        return None
    tests = (
        (DateDifference.DEFAULT_DAY, _lacks_day(a, b) or _lacks_day(b, a)),
        (DateDifference.NEAR, abs((one - other).days) <= 2),
        (DateDifference.SWAPPED, (one.year, one.month, one.day) == (other.year, other.day, other.month)),
        (DateDifference.LUNAR, _lunar(one) == b or _lunar(other) == a),
        (DateDifference.TRANSPOSED, _is_transposed(a, b)),
        (DateDifference.YEAR, a[4:] == b[4:]),
        (DateDifference.ONE_DIGIT, sum(x != y for x, y in zip(a, b, strict=True)) == 1),
    )
    return next((difference for difference, holds in tests if holds), None)


def _read(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _lacks_day(text: str, other: str) -> bool:
    return is_default_date(text) or (text[4:] == "-01-01" and text[:4] == other[:4])


def _lunar(day: date) -> str | None:
    """The day in the Chinese calendar, written like a solar date; leap months as their ordinary ones, since people do
    so. None outside the years 1900-2100 that the calendar's table covers."""
    try:
        lunar = LunarDate.from_solar_date(day.year, day.month, day.day)
    except ValueError:
        return None
    return f"{lunar.year:04}-{lunar.month:02}-{lunar.day:02}"


def _is_transposed(a: str, b: str) -> bool:
    """Whether two neighbouring digits, the dashes left aside, are exchanged."""
    a, b = a.replace("-", ""), b.replace("-", "")
    unequal = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if len(unequal) != 2 or unequal[1] != unequal[0] + 1:
        return False
    return a[unequal[0]] == b[unequal[1]] and a[unequal[1]] == b[unequal[0]]
