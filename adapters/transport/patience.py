"""How often a source is asked, when it is asked again, and when it is left in peace for a while.

Own lines instead of `stamina` and `aiolimiter`: the wait follows what the server says (Retry-After), the breaker is per
source, and both would need more wiring than they save; aiolimiter is for asyncio only.
"""

from __future__ import annotations

import email.utils
import random
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from service.ingest.source import Retriable

MAX_WAIT = 60.0  # seconds waited within one call; whoever is told to wait longer ends the run and comes back
MAX_RETRY_AFTER = 24 * 3600.0
_MOST_OFF = timedelta(days=3650)
_FIRST_WAIT = 0.5
_BURST = 5
_random = random.SystemRandom()

Clock = Callable[[], float]
Sleep = Callable[[float], object]


class Pace:
    """At most `rate` requests a second on the long run, a handful at once (token bucket, as GCRA)."""

    def __init__(self, rate: float, clock: Clock, sleep: Sleep) -> None:
        self._interval = 1.0 / rate if rate > 0 else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the next request may go."""
        with self._lock:
            now = self._clock()
            start = max(self._next, now - _BURST * self._interval)
            self._next = start + self._interval
        if start > now:
            self._sleep(start - now)


class Breaker:
    """Opens after `limit` calls in a row failed; after `seconds` one call may try, and closes it again if it works."""

    def __init__(self, clock: Clock, limit: int = 5, seconds: float = 30.0) -> None:
        self._clock, self._limit, self._seconds = clock, limit, seconds
        self._failures = 0
        self._until = 0.0
        self._lock = threading.Lock()

    @property
    def is_well(self) -> bool:
        """Whether the last call was answered."""
        return self._failures == 0

    def enter(self) -> bool:
        """Whether this call is the one that tries. Raises Retriable `breaker-open` while none may go."""
        with self._lock:
            if self._failures < self._limit:
                return False
            left = self._until - self._clock()
            if left > 0:
                text = f"the last {self._failures} calls failed; the source is asked again in {left:.0f} s"
                raise Retriable("breaker-open", text, left)
            self._until = self._clock() + self._seconds  # the others wait for the one that tries
            return True

    def failed(self) -> None:
        """A call found nobody, or somebody overloaded."""
        with self._lock:
            self._failures += 1
            self._until = self._clock() + self._seconds

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            self._failures = 0


def backoff(attempt: int, retry_after: float | None) -> float | None:
    """Seconds to wait before attempt `attempt` + 1 (counted from 0): full jitter over doubling waits, or what the
    server asked for and a little; None when it asked for more than is waited within a call."""
    if retry_after is None:
        return _random.uniform(0.0, min(MAX_WAIT / 2, _FIRST_WAIT * 2**attempt))
    return None if retry_after > MAX_WAIT else retry_after + _random.uniform(0.0, _FIRST_WAIT)


def read_date(text: str | None) -> datetime | None:
    """An HTTP date (RFC 9110 5.6.7) with its zone; None where there is none that can be read."""
    try:
        found = email.utils.parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_clock(text: str | None) -> datetime | None:
    """The time by the server's clock (Date); None also where that cannot be right: a battery is empty, and it is 1970
    there. Nothing would be asked for up to such a time, or everything count as read."""
    found, ours = read_date(text), datetime.now(UTC)
    return found if found is not None and abs(found - ours) < _MOST_OFF else None


def read_retry_after(text: str | None, now: datetime) -> float | None:
    """Retry-After (RFC 9110 10.2.3) as seconds from `now`, the server's own time: a number or a date, at least 0 and
    at most a day; None where there is none that can be read."""
    if text and re.fullmatch(r"\s*\d{1,12}(\.\d{1,6})?\s*", text):
        return min(float(text), MAX_RETRY_AFTER)
    date = read_date(text)
    return None if date is None else min(max((date - now).total_seconds(), 0.0), MAX_RETRY_AFTER)
