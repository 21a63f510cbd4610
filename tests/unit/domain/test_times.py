"""Times as sources write them, and durations as policies write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.domain.times import Duration, Precision, When, moment, parse_when

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2026-11-22T10:00:00+08:00", "2026-11-22T02:00:00+00:00"),
        ("2026-11-22T02:00:00Z", "2026-11-22T02:00:00+00:00"),
        ("2026-11-22T02:00:00z", "2026-11-22T02:00:00+00:00"),
        ("2026-11-22 10:00", "2026-11-22T02:00:00+00:00"),
        ("2026-11-22T10:00:00+0800", "2026-11-22T02:00:00+00:00"),
        ("2026-11-22T10:00:00.5+08:00", "2026-11-22T02:00:00.500000+00:00"),
        ("2026-11-22T10:00:00.1234567+08:00", "2026-11-22T02:00:00.123456+00:00"),
        ("2026-11-22T10:00:00-05:30", "2026-11-22T15:30:00+00:00"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_moment_is_one_point_in_utc(text: str, start: str):
    when = parse_when(text, SHANGHAI)
    assert (when.start, when.end, when.precision, when.text) == (at(start), at(start), Precision.MOMENT, text)


@pytest.mark.parametrize(
    ("text", "precision", "start", "end"),
    [
        ("2026-11-22", Precision.DAY, "2026-11-21T16:00:00+00:00", "2026-11-22T16:00:00+00:00"),
        ("2024-02-29", Precision.DAY, "2024-02-28T16:00:00+00:00", "2024-02-29T16:00:00+00:00"),
        ("2026-12", Precision.MONTH, "2026-11-30T16:00:00+00:00", "2026-12-31T16:00:00+00:00"),
        ("2026", Precision.YEAR, "2025-12-31T16:00:00+00:00", "2026-12-31T16:00:00+00:00"),
    ],
)
def test_shorter_date_is_the_span_it_may_lie_in(text: str, precision: Precision, start: str, end: str):
    when = parse_when(text, SHANGHAI)
    assert (when.start, when.end, when.precision) == (at(start), at(end), precision)
    assert when.has_day is (precision is Precision.DAY)


def test_day_of_a_clock_change_has_its_own_length():
    day = parse_when("2026-03-08", NEW_YORK)
    assert day.end - day.start == timedelta(hours=23)


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12", "9999", "9999-12-31T23:59:59Z"])
def test_never_as_sources_write_it_is_the_end_of_the_calendar(text: str):
    assert parse_when(text, SHANGHAI).end >= at("9999-12-31T00:00:00+00:00")


@pytest.mark.parametrize(
    "text",
    ["", " ", "yesterday", "2026-13", "2026-00", "2026-02-30", "26-11-22", "2026-11-22T25:00", "2026-11-22T10",
     "2026-11-22T10:00:61Z", "2026-11-22T10:00+25:00", "2026/11/22", "20261122", "２０２６-１１-２２x", "0000-01-01",
     "0001-01-01T00:00:00+08:00"],
)  # fmt: skip
def test_what_is_no_date_is_refused_with_its_text(text: str):
    with pytest.raises(ValueError, match="not a date or time"):
        parse_when(text, SHANGHAI)


def test_moment_needs_an_offset():
    with pytest.raises(ValueError, match="offset"):
        moment(at("2026-11-22T10:00:00"))
    assert moment(at("2026-11-22T10:00:00+08:00")).start == at("2026-11-22T02:00:00+00:00")


@pytest.mark.parametrize(
    ("text", "months", "span"),
    [
        ("P30D", 0, timedelta(days=30)), ("PT6H", 0, timedelta(hours=6)), ("P2W", 0, timedelta(days=14)),
        ("P1Y2M", 14, timedelta()), ("P1DT12H", 0, timedelta(hours=36)), ("PT90M", 0, timedelta(minutes=90)),
        ("P0D", 0, timedelta()), ("PT30S", 0, timedelta(seconds=30)),
    ],
)  # fmt: skip
def test_duration_is_months_and_a_span(text: str, months: int, span: timedelta):
    duration = Duration.parse(text)
    assert (duration.months, duration.span, duration.is_zero) == (months, span, not months and not span)


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "30D", "P-1D", "P1.5D", "p1d", "P1D ", "P1H", "P201Y", "P99999D"]
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("duration", "end", "start"),
    [
        ("P7D", "2026-11-22T10:00:00+08:00", "2026-11-15T10:00:00+08:00"),
        ("P1M", "2026-03-31T10:00:00+08:00", "2026-02-28T10:00:00+08:00"),
        ("P1M", "2024-03-31T10:00:00+08:00", "2024-02-29T10:00:00+08:00"),
        ("P1Y", "2024-02-29T10:00:00+08:00", "2023-02-28T10:00:00+08:00"),
        ("P13M", "2026-01-15T10:00:00+08:00", "2024-12-15T10:00:00+08:00"),
        ("P200Y", "0100-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"),
        ("P7D", "0001-01-02T00:00:00+00:00", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_before_goes_back_by_days_and_by_the_calendar_s_months(duration: str, end: str, start: str):
    assert Duration.parse(duration).before(at(end)) == at(start)


def test_month_is_counted_where_the_time_is_told():
    first_of_march = datetime(2026, 3, 1, tzinfo=SHANGHAI)
    assert Duration.parse("P1M").before(first_of_march) == datetime(2026, 2, 1, tzinfo=SHANGHAI)


def test_days_are_24_hours_across_a_clock_change():
    noon = datetime(2026, 3, 9, 12, tzinfo=NEW_YORK)
    assert Duration.parse("P1D").hours(noon) == 24
    assert noon.astimezone(UTC) - Duration.parse("P1D").before(noon) == timedelta(hours=24)


def test_hours_of_a_month_depend_on_the_month():
    month = Duration.parse("P1M")
    assert (month.hours(at("2026-03-15T00:00:00+00:00")), month.hours(at("2026-04-15T00:00:00+00:00"))) == (672, 744)


def test_times_of_one_text_are_equal_values():
    assert parse_when("2026-11-22", SHANGHAI) == parse_when("2026-11-22", SHANGHAI)
    assert isinstance(parse_when("2026-11-22", SHANGHAI), When)
