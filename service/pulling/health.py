"""How each source is: from what the database knows of it to a state, figures and warnings. Pure, but for `read_health`.

A warning is what an engineer should look at although no run failed: a feed that has fallen silent looks like a quiet
day until somebody asks for a report that never came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Any

from service.domain.network import Network
from service.pulling.leases import is_dead
from service.pulling.unbelieved import Unbelieved
from service.registry.columns import from_us, to_us
from service.registry.database import Database
from service.registry.missed import MOST_TRIES, count_missed
from service.registry.retrievals import retrieval_times
from service.registry.source_states import SourceState, all_states, count_dead_letters, count_waiting, days_since
from service.source_settings import SourceSettings

SHOWN_DAYS = 7
_BASE_DAYS = 14
_SAME_WEEKDAYS = 4
_LEAST_MEDIAN = 20
_FALLEN_TO = 0.5
_CLOCK_AHEAD = timedelta(minutes=5)
_LEAST_OVERDUE = timedelta(minutes=5)
_RETRIEVALS_OF = timedelta(days=1)
_FETCHED_WITHIN = timedelta(days=1)
"""What a listing named mostly comes within some runs; what is missing for longer is told."""

Days = Mapping[str, Mapping[str, int]]
"""Counts by day (YYYY-MM-DD of the network's zone) and outcome."""


class State(StrEnum):
    """How a source is, in one word; the first that holds, in this order."""

    DISABLED = "disabled"
    NEEDS_ATTENTION = "needs-attention"  # it will not work until a person mends something
    FAILING = "failing"  # it is tried again by itself
    RUNNING = "running"
    NEVER = "never"
    SILENT = "silent"
    WAITING = "waiting"  # it is due, and nobody has taken it yet
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Warn:
    """Something to look at: a stable kind, and what it is in both languages."""

    kind: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """A source as people and monitors see it. Lags are `now` less the newest change pulled (`lag`), and less the end
    of the last complete run (`since_complete`); None: never. `due_in` is the time until the next run, negative when it
    is late. `days` are the newest, oldest first. `retrieval`: how long studies of it took to open in the last day
    (`service.registry.retrievals`); None: none was."""

    settings: SourceSettings
    state: State
    known: SourceState | None
    lag: timedelta | None = None
    since_complete: timedelta | None = None
    due_in: timedelta | None = None
    days: Days = field(default_factory=dict)
    dead_letters: int = 0
    waiting: int = 0
    warnings: tuple[Warn, ...] = ()
    retrieval: Mapping[str, Any] | None = None


def read_health(database: Database, sources: Sequence[SourceSettings], network: Network) -> list[SourceHealth]:
    """The health of these sources, in their order."""
    now = from_us(database.now_us())
    today = network.local_time(now)
    since = (today.date() - timedelta(days=7 * _SAME_WEEKDAYS + 1)).isoformat()
    with database.snapshot() as conn:
        states, days = all_states(conn), days_since(conn, since)
        dead, waiting = count_dead_letters(conn), count_waiting(conn)
        named = count_missed(conn, to_us(now - _FETCHED_WITHIN))
        times = retrieval_times(conn, to_us(now - _RETRIEVALS_OF))
    found = (
        judge(
            one,
            states.get(one.name),
            days.get(one.name, {}),
            dead.get(one.name, 0),
            waiting.get(one.name, 0),
            today,
            missed=named.get(one.name, (0, 0)),
        )
        for one in sources
    )
    return [replace(one, retrieval=times.get(one.settings.name)) for one in found]


def judge(
    settings: SourceSettings,
    known: SourceState | None,
    days: Days,
    dead_letters: int,
    waiting: int,
    now: datetime,
    is_gone: Callable[[str], bool] = is_dead,
    missed: tuple[int, int] = (0, 0),
) -> SourceHealth:
    """The health of one source at `now`, a time in the network's zone. `is_gone`: whether the holder of a lease is
    known to live no more. `missed`: see `count_missed`."""
    running = _is_running(known, now, is_gone)
    watched = settings.enabled or running  # one that pushes is disabled, and listened to
    newest = [(now.date() - timedelta(days=back)).isoformat() for back in reversed(range(SHOWN_DAYS))]
    fetched = sum(days.get(day, {}).get("fetched", 0) for day in newest)
    found = (*_warnings(settings, known, days, now, running), *_of_listings(fetched, *missed))
    warnings = found if watched else ()
    state = _state(settings, known, running, {one.kind for one in warnings}, now)
    return SourceHealth(
        settings=settings,
        state=state,
        known=known,
        lag=_since(known.watermark, now) if known else None,
        since_complete=_since(known.finished_at, now) if known else None,
        due_in=-late if known and (late := _since(known.due_at, now)) is not None else None,
        days={day: days[day] for day in newest if day in days},
        dead_letters=dead_letters,
        waiting=waiting,
        warnings=warnings,
    )


def has_fallen(days: Days, today: date) -> tuple[int, float] | None:
    """Yesterday's count and the usual one, where yesterday had less than half of the usual: of the median of the
    fourteen days before it, and of the same weekday of the four weeks before where those are known (a Sunday is
    compared with Sundays). None where nothing has fallen, or where there is too little to tell."""
    known = [date.fromisoformat(day) for day in days]
    if not known:
        return None
    yesterday, first = today - timedelta(days=1), min(known)

    def counts(step: int, number: int) -> list[int]:
        before = (yesterday - timedelta(days=step * n) for n in range(1, number + 1))
        return [fresh(days, day) for day in before if day >= first]

    base = counts(1, _BASE_DAYS)
    same = counts(7, _SAME_WEEKDAYS)
    if len(base) < _BASE_DAYS:
        return None
    usual = min(median(base), median(same))
    now = fresh(days, yesterday)
    return (now, usual) if median(base) >= _LEAST_MEDIAN and now < _FALLEN_TO * usual else None


def fresh(days: Days, day: date) -> int:
    """How many records of the day were not known before."""
    counts = days.get(day.isoformat(), {})
    return max(counts.get("received", 0) - counts.get("known", 0), 0)


def _state(
    settings: SourceSettings, known: SourceState | None, running: bool, warned: set[str], now: datetime
) -> State:
    if not settings.enabled and not running:
        return State.DISABLED
    if known is not None and known.error_code:
        return State.NEEDS_ATTENTION if known.error_class == "fatal" else State.FAILING
    if running:
        return State.RUNNING
    if known is None or known.started_at is None:
        return State.NEVER
    if "silent" in warned:
        return State.SILENT
    return State.WAITING if _overdue_for(known, now) is not None else State.OK


def _warnings(
    settings: SourceSettings, known: SourceState | None, days: Days, now: datetime, running: bool
) -> Iterator[Warn]:
    if known is not None and known.is_reachable is False:
        yield Warn("unreachable", "最近一次连接失败", "it could not be reached when last tried")
    if known is None or known.started_at is None:
        return
    yield from _of_the_feed(settings, known, now)
    if (fallen := has_fallen(days, now.date())) is not None:
        count, usual = fallen
        yield Warn(
            "falling",
            f"昨日仅收到 {count} 条新记录，平常约 {usual:.0f} 条：请核对来源系统的查询范围与账号权限",
            f"{count} new records yesterday, usually about {usual:.0f}: compare with the system's own counts, look at "
            "its filters and at the account's rights",
        )
    if known.warning:
        unbelieved = Unbelieved.read(known.warning)
        yield Warn("not-believed", unbelieved.zh, unbelieved.en)
    late = _overdue_for(known, now)
    if late is not None and not running and late > max(2 * settings.every, _LEAST_OVERDUE) and settings.may_run(now):
        yield Warn(
            "overdue",
            f"已逾期 {span(late, 'zh')} 未拉取：请确认 testonce pull --watch 正在运行",
            f"due for {span(late, 'en')} and nobody pulls it: is testonce pull --watch running?",
        )


def _of_listings(fetched: int, waiting: int, given_up: int) -> Iterator[Warn]:
    """What the source's listings named, and its questions by time did not give."""
    if fetched or waiting:
        yield Warn(
            "missed",
            f"来源清单列出、但按时间查询未得到的记录：近 {SHOWN_DAYS} 天已补取 {fetched} 条，尚缺 {waiting} 条。"
            "请核对来源系统是否延迟提交，必要时加大 overlap",
            f"records that its listings name and no question by time gave: {fetched} fetched in the last "
            f"{SHOWN_DAYS} days, {waiting} still missing. Does the system commit late? Then enlarge overlap",
        )
    if given_up:
        yield Warn(
            "not-given",
            f"来源清单列出的 {given_up} 条记录，逐条查询 {MOST_TRIES} 次仍未取得：请核对账号权限，或联系厂商",
            f"{given_up} records that its listings name were asked for {MOST_TRIES} times and not given: look at the "
            "account's rights, or ask its vendor",
        )


def _of_the_feed(settings: SourceSettings, known: SourceState, now: datetime) -> Iterator[Warn]:
    """What the times of the feed itself tell: that it is silent, behind, or ahead of the clock."""
    pushes = not settings.enabled  # it is listened to: no run of it ends while all is well
    quiet = _since(known.received_at or (known.started_at if pushes else None), now)
    if (pushes or known.finished_at is not None) and (quiet is None or quiet > settings.expect_every):
        zh = "从未提供记录" if quiet is None else f"已有 {span(quiet, 'zh')} 没有新记录"
        en = "it has never given a record" if quiet is None else f"nothing new for {span(quiet, 'en')}"
        yield Warn(
            "silent", f"{zh}：请确认来源系统仍在发布，账号仍能看到数据", f"{en}: does the system still publish, and "
            "does the account still see its records?",
        )  # fmt: skip
    lag = _since(known.watermark, now)
    if lag is None:
        return
    if lag < -_CLOCK_AHEAD:
        yield Warn(
            "clock",
            f"来源系统的时间比本机快 {span(-lag, 'zh')}：请校时",
            f"its newest change lies {span(-lag, 'en')} in the future: set its clock, or ours",
        )
    elif known.error_code or _is_up_to_date(known):
        return  # why a run that failed did not come to its end is told by its error
    elif settings.expect_every < lag - max(settings.overlap, 4 * settings.every):
        yield Warn(
            "behind",
            f"落后 {span(lag, 'zh')}：正在追赶，或拉取速度跟不上",
            f"{span(lag, 'en')} behind: it is catching up, or is pulled more slowly than it is written",
        )


def _is_up_to_date(known: SourceState) -> bool:
    """Whether the newest run was complete: then nothing newer was there, however old the newest change is."""
    return known.finished_at is not None and known.finished_at >= (known.started_at or 0)


def _is_running(known: SourceState | None, now: datetime, is_gone: Callable[[str], bool]) -> bool:
    if known is None or known.lease_owner is None or known.lease_until is None:
        return False
    return from_us(known.lease_until) > now and not is_gone(known.lease_owner)


def _overdue_for(known: SourceState, now: datetime) -> timedelta | None:
    late = _since(known.due_at, now)
    return late if late is not None and late >= timedelta(0) else None


def _since(at: int | None, now: datetime) -> timedelta | None:
    return None if at is None else now - from_us(at)


def span(length: timedelta, lang: str) -> str:
    """A length of time in its largest whole unit: `3 h`, `2 天`."""
    seconds = int(length.total_seconds())
    for size, zh, en in ((86_400, "天", "d"), (3600, "小时", "h"), (60, "分钟", "min")):
        if abs(seconds) >= (2 * size if size == 86_400 else size):
            return f"{seconds // size} {zh if lang == 'zh' else en}"
    return f"{seconds} {'秒' if lang == 'zh' else 's'}"
