"""Points in time as sources write them, and durations as policies write them.

A source may say a moment, a day, a month or a year. What is missing is kept as missing: a month is never read
as its first day. Comparing them is decided here, once.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum


class Precision(StrEnum):
    """How exactly a point in time is known."""

    MOMENT = "moment"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class When:
    """A point in time: the half-open interval [start, end) in UTC in which it lies, and the text it was read from.

    For a moment `end == start`. A day counts from that day's start in the zone it was read with (contract,
    section 3); a month or a year has no day and is never inside a window.
    """

    start: datetime
    end: datetime
    precision: Precision
    text: str

    @property
    def has_day(self) -> bool:
        """Whether the calendar day is known."""
        return self.precision in (Precision.MOMENT, Precision.DAY)


def moment(at: datetime) -> When:
    """The exact moment `at`; ValueError when it carries no offset."""
    if at.tzinfo is None:
        raise ValueError("a moment needs an offset")
    utc = at.astimezone(UTC)
    return When(utc, utc, Precision.MOMENT, at.isoformat())


_ISO = re.compile(
    r"(?P<y>\d{4})(?:-(?P<m>\d{2})(?:-(?P<d>\d{2})"
    r"(?:[T ](?P<H>\d{2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?P<f>[.,]\d+)?)?\s*(?P<z>Z|z|[+-]\d{2}:?\d{2})?)?)?)?"
)


def parse_when(text: str, zone: tzinfo) -> When:
    """Reads an ISO 8601 / FHIR date or dateTime; `zone` serves values that carry no offset.

    Second 60 (a leap second) counts as the following second. Raises ValueError with the text when it is no date.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a date or time: {text!r}")
    part = match.groupdict()
    try:
        year = int(part["y"])
        if part["m"] is None:
            return _span(year, 1, 1, Precision.YEAR, text, zone)
        if part["d"] is None:
            return _span(year, int(part["m"]), 1, Precision.MONTH, text, zone)
        if part["H"] is None:
            return _span(year, int(part["m"]), int(part["d"]), Precision.DAY, text, zone)
        return _moment(part, text, zone)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"not a date or time: {text!r} ({error})") from None


def _moment(part: dict[str, str | None], text: str, zone: tzinfo) -> When:
    second = int(part["S"] or 0)
    if second > 60:
        raise ValueError("second must be in 0..60")
    micro = int((part["f"] or ".0")[1:7].ljust(6, "0"))
    local = datetime(
        int(part["y"] or 0), int(part["m"] or 0), int(part["d"] or 0),
        int(part["H"] or 0), int(part["M"] or 0), min(second, 59), micro,
        tzinfo=_offset(part["z"]) if part["z"] else zone,
    )  # fmt: skip
    utc = local.astimezone(UTC) + timedelta(seconds=second - min(second, 59))
    return When(utc, utc, Precision.MOMENT, text)


def _offset(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    return datetime.fromisoformat(f"2000-01-01T00:00:00{text[:3]}:{text[-2:]}").tzinfo or UTC


def _span(year: int, month: int, day: int, precision: Precision, text: str, zone: tzinfo) -> When:
    start = datetime(year, month, day, tzinfo=zone)
    try:
        if precision is Precision.DAY:
            nxt = start + timedelta(days=1)
        elif precision is Precision.MONTH:
            nxt = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
        else:
            nxt = datetime(year + 1, 1, 1, tzinfo=zone)
    except (OverflowError, ValueError):
        nxt = datetime.max.replace(tzinfo=UTC)  # 9999-12-31, which sources write for "never"
    return When(start.astimezone(UTC), nxt.astimezone(UTC), precision, text)


_DURATION = re.compile(
    r"P(?:(?P<Y>\d+)Y)?(?:(?P<M>\d+)M)?(?:(?P<W>\d+)W)?(?:(?P<D>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?)?"
)


@dataclass(frozen=True, slots=True)
class Duration:
    """An ISO 8601 duration: calendar months (years count twelve) and a fixed span."""

    text: str
    months: int
    span: timedelta

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Reads `P30D`, `PT6H`, `P1Y2M`, `P2W`; ValueError for anything else."""
        match = _DURATION.fullmatch(text)
        if match is None or not any(match.groupdict().values()):
            raise ValueError(f"not an ISO 8601 duration, such as PT5M, PT2H or P1D: {text!r}")
        n = {key: int(value or 0) for key, value in match.groupdict().items()}
        if n["Y"] > 200 or n["M"] > 2400 or n["W"] > 10_000 or n["D"] > 73_000 or n["h"] > 2_000_000:
            raise ValueError(f"a duration of more than 200 years: {text!r}")
        span = timedelta(weeks=n["W"], days=n["D"], hours=n["h"], minutes=n["m"], seconds=n["s"])
        return cls(text, n["Y"] * 12 + n["M"], span)

    @property
    def is_zero(self) -> bool:
        """`P0D`: a window that nothing is ever inside."""
        return self.months == 0 and not self.span

    def before(self, at: datetime) -> datetime:
        """The moment this long before `at`; a month back from the 31st is that month's last day. Days are 24 hours
        whatever the clocks do; months are those of the calendar where `at` is told. Before year 1 nothing is."""
        try:
            back = (at.astimezone(UTC) - self.span).astimezone(at.tzinfo)
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
        if self.months:
            months = back.year * 12 + back.month - 1 - self.months
            year, month = months // 12, months % 12 + 1
            if year < 2:
                return datetime.min.replace(tzinfo=UTC)
            back = back.replace(year=year, month=month, day=min(back.day, calendar.monthrange(year, month)[1]))
        return back

    def hours(self, at: datetime) -> float:
        """The length in hours when it ends at `at`."""
        return (at.astimezone(UTC) - self.before(at).astimezone(UTC)).total_seconds() / 3600
