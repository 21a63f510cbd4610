"""Dates and times as DICOM devices write them, which is looser than PS3.5 6.2 allows."""

from __future__ import annotations

import re
from datetime import date, tzinfo

from service.domain.times import Precision, When, parse_when
from service.ingest.dicom.values import Values

_DATE = re.compile(r"(\d{4})(?:([.\-/]?)(\d{1,2})(?:\2(\d{1,2}))?)?")
_TIME = re.compile(r"(\d{1,2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?")
_DATETIME = re.compile(r"(\d{4,8})(\d{2}\d*(?:\.\d+)?)?([+-]\d{4})?")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


def read_date(text: str) -> str | None:
    """YYYY-MM-DD of a DA value, also written with dots or dashes; shorter when it has no day or month; None when it
    is no date."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, separator, month, day = match.groups()
    if month is None:
        return year
    if not separator and len(month) + len(day or "00") != 4:
        return None
    try:
        date(int(year), int(month), int(day or 1))
    except ValueError:
        return None
    return f"{year}-{int(month):02}" + (f"-{int(day):02}" if day else "")


def read_time(text: str) -> str | None:
    """HH:MM:SS[.ffffff] of a TM value; also `9:30:12`, a missing minute or second, more than six digits of fraction;
    None when it is no time of day."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    if len(hour) == 1 and ":" not in text:
        return None
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    return f"{int(hour):02}:{minute or '00'}:{second or '00'}" + (f".{fraction[:6]}" if fraction else "")


def read_started(values: Values, zone: tzinfo) -> tuple[When | None, bool]:
    """When the exam was performed, and whether the offset had to be assumed.

    The first usable date of acquisition, series and study decides (contract, section 3); its time goes with it, and
    a time that cannot be read leaves the date alone. TimezoneOffsetFromUTC (0008,0201) serves all but a DT's own.
    """
    offset = _read_offset(values.text(0x00080201))
    acquired = _DATETIME.fullmatch(values.text(0x0008002A))
    written = [(acquired[1], acquired[2] or "", acquired[3] or "")] if acquired else []
    for day, time in ((0x00080022, 0x00080032), (0x00080021, 0x00080031), (0x00080020, 0x00080030)):
        written.append((values.text(day), values.text(time), ""))
    partial: When | None = None
    for day_text, time_text, own in written:
        found = read_date(day_text)
        if found is None:
            continue
        clock = read_time(time_text.split("\\")[0]) if len(found) == 10 else None
        where = _read_offset(own) or offset
        when = parse_when(f"{found}T{clock}{where}" if clock else found, zone)
        if when.has_day:
            return when, not where
        partial = partial or when
    return partial, True


def _read_offset(text: str) -> str:
    """`+08:00` of `+0800`; "" when it is none (PS3.3 C.12.1.1.8: -1200 to +1400)."""
    match = _OFFSET.fullmatch(text.strip())
    if match is None or int(match[2]) > 14 or int(match[3]) > 59:
        return ""
    return f"{match[1]}{match[2]}:{match[3]}"


def iso_of(when: When) -> str:
    """The ISO 8601 text of `when`: in UTC for a moment, as written for a day."""
    return when.start.isoformat() if when.precision is Precision.MOMENT else when.text
