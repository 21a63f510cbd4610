"""From what the database knows of a source to its state and its warnings."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.pulling.health import SourceHealth, State, has_fallen, judge, span
from service.pulling.shown import show
from service.registry.columns import to_us
from service.registry.source_states import SourceState
from tests.support.pulled import settings_of

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Sunday
HOUR = timedelta(hours=1)


def known(**ago: Any) -> SourceState:
    """A source in good health; times are given as how long ago they were."""
    times = {
        "watermark": HOUR / 4, "started_at": HOUR / 12, "finished_at": HOUR / 12, "received_at": HOUR / 4,
        "due_at": -HOUR / 60, "reached_at": HOUR / 12,
    } | ago  # fmt: skip
    given = {name: to_us(NOW - one) if isinstance(one, timedelta) else one for name, one in times.items()}
    empty: dict[str, Any] = dict.fromkeys(SourceState.__dataclass_fields__)
    return SourceState(**empty | {"source": "s", "institution": "h", "kind": "memory", "failures": 0} | given)


def health(state: SourceState | None, days: dict[str, dict[str, int]] | None = None, **settings: Any) -> SourceHealth:
    return judge(settings_of(**settings), state, days or {}, 0, 0, NOW, lambda owner: owner == "dead")


def kinds(found: SourceHealth) -> list[str]:
    return [one.kind for one in found.warnings]


def month(count: int, **other: int) -> dict[str, dict[str, int]]:
    """Thirty days before today, each with `count` new records; `d1` is yesterday's, `d2` the day's before."""
    found = {(NOW.date() - timedelta(days=n)).isoformat(): {"received": count + 5, "known": 5} for n in range(1, 31)}
    for name, n in other.items():
        found[(NOW.date() - timedelta(days=int(name[1:]))).isoformat()] = {"received": n}
    return found


def test_a_source_in_good_health_has_nothing_to_look_at() -> None:
    found = health(known())
    assert (found.state, kinds(found), found.lag) == (State.OK, [], HOUR / 4)


@pytest.mark.parametrize(("state", "expected"), [
    (None, State.NEVER),
    (known(started_at=None, finished_at=None, received_at=None), State.NEVER),
    (known(lease_owner="alive", lease_until=-HOUR), State.RUNNING),
    (known(lease_owner="dead", lease_until=-HOUR), State.OK),
    (known(lease_owner="alive", lease_until=HOUR), State.OK),
    (known(error_code="slow", error_class="retriable", failures=2), State.FAILING),
    (known(error_code="unauthorised", error_class="fatal", lease_owner="alive", lease_until=-HOUR),
     State.NEEDS_ATTENTION),
    (known(received_at=30 * HOUR), State.SILENT),
    (known(due_at=HOUR / 60), State.WAITING),
])  # fmt: skip
def test_state_in_one_word(state: SourceState | None, expected: State) -> None:
    assert health(state).state is expected


def test_a_disabled_source_is_said_so_and_warns_of_nothing() -> None:
    found = health(known(received_at=90 * HOUR, due_at=90 * HOUR), enabled=False)
    assert (found.state, kinds(found)) == (State.DISABLED, [])


@pytest.mark.parametrize(("received", "started", "expected"), [
    (HOUR, 90 * HOUR, []), (25 * HOUR, 90 * HOUR, ["silent"]), (None, 25 * HOUR, ["silent"]), (None, HOUR, []),
])  # fmt: skip
def test_an_archive_that_is_listened_to_is_running_and_warns_when_it_falls_silent(
    received: timedelta | None, started: timedelta, expected: list[str]
) -> None:
    heard = known(received_at=received, started_at=started, finished_at=None, due_at=None, watermark=None,
                  lease_owner="alive", lease_until=-HOUR)  # fmt: skip
    found = health(heard, enabled=False)
    assert (found.state, kinds(found)) == (State.RUNNING, expected)


@pytest.mark.parametrize(("state", "expected"), [
    (known(received_at=25 * HOUR), ["silent"]),
    (known(received_at=None, watermark=None), ["silent"]),
    (known(received_at=None, watermark=None, finished_at=None), []),  # its first run is not complete yet
    (known(watermark=26 * HOUR, started_at=HOUR / 60), ["behind"]),
    (known(watermark=26 * HOUR, finished_at=None), ["behind"]),
    (known(watermark=26 * HOUR, started_at=HOUR / 60, error_code="unauthorised", error_class="fatal"), []),
    (known(watermark=24 * HOUR, started_at=HOUR / 60), []),
    (known(watermark=90 * HOUR), []),  # a complete run: nothing newer was there
    (known(watermark=-HOUR), ["clock"]),
    (known(warning="300|400|studies/2026-11-20"), ["not-believed"]),
    (known(unreached_at=HOUR / 60), ["unreachable"]),
    (known(due_at=HOUR), ["overdue"]),
    (known(due_at=HOUR, lease_owner="alive", lease_until=-HOUR), []),
])  # fmt: skip
def test_warnings(state: SourceState, expected: list[str]) -> None:
    found = health(state)
    assert kinds(found) == expected
    assert all(one.zh and one.en for one in found.warnings)


@pytest.mark.parametrize(("fetched", "missed", "expected"), [
    (0, (0, 0), []),
    (12, (0, 0), ["missed"]),
    (0, (3, 0), ["missed"]),
    (0, (0, 2), ["not-given"]),
    (1, (1, 1), ["missed", "not-given"]),
])  # fmt: skip
def test_what_listings_name_and_nothing_gave_is_told(
    fetched: int, missed: tuple[int, int], expected: list[str]
) -> None:
    days = {"2026-11-17": {"received": 20, "fetched": fetched}, "2026-11-02": {"fetched": 500}}
    found = judge(settings_of(), known(), days, 0, 0, NOW, missed=missed)
    assert kinds(found) == expected
    assert all(f"{fetched} fetched" in one.en for one in found.warnings if one.kind == "missed")


def test_a_source_outside_its_hours_is_not_overdue() -> None:
    assert kinds(health(known(due_at=3 * HOUR), hours="22:00-06:00")) == []


def test_less_than_half_of_the_usual_is_told_with_both_figures() -> None:
    found = health(known(), month(100, d1=49))
    assert kinds(found) == ["falling"]
    assert "49" in found.warnings[0].en
    assert "100" in found.warnings[0].zh


@pytest.mark.parametrize("days", [
    month(100, d1=50),  # half is not less than half
    month(19, d1=0),  # too few to tell
    month(100, d1=30, d8=40, d15=40, d22=40, d29=40),  # it was that weekday as ever
    {day: counts for day, counts in month(100, d1=0).items() if day >= "2026-11-10"},  # not long enough known
    {},
])  # fmt: skip
def test_days_that_have_not_fallen(days: dict[str, dict[str, int]]) -> None:
    assert has_fallen(days, NOW.date()) is None


def test_a_day_without_any_count_has_fallen_to_nothing() -> None:
    days = month(100)
    del days["2026-11-21"]
    assert has_fallen(days, date(2026, 11, 22)) == (0, 100)


def test_seven_days_are_shown_and_no_more() -> None:
    shown = show(health(known(), month(100) | {"2026-11-22": {"received": 3}}))
    assert [one["day"] for one in shown["days"]] == [f"2026-11-{n}" for n in range(16, 23)]
    assert shown["days"][-1] == {"day": "2026-11-22", "received": 3} | dict.fromkeys(
        ("known", "new", "updated", "unchanged", "ignored", "rejected", "deleted", "fetched"), 0
    )
    assert (shown["lagSeconds"], shown["error"], shown["watermark"]) == (900, None, "2026-11-22T01:45:00+00:00")


def test_an_error_is_shown_until_a_run_is_complete() -> None:
    state = known(error_code="slow", error_class="retriable", error="too slow", failures=2, failed_at=HOUR)
    assert show(health(state))["error"] == {
        "class": "retriable", "code": "slow", "message": "too slow", "at": "2026-11-22T01:00:00+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(("length", "zh", "en"), [
    (timedelta(seconds=59), "59 秒", "59 s"), (timedelta(minutes=90), "1 小时", "1 h"),
    (timedelta(hours=47), "47 小时", "47 h"), (timedelta(hours=48), "2 天", "2 d"),
])  # fmt: skip
def test_lengths_in_their_largest_whole_unit(length: timedelta, zh: str, en: str) -> None:
    assert (span(length, "zh"), span(length, "en")) == (zh, en)
