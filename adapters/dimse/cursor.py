"""The cursor of a polling source: through which day it is done, and what it knows of the studies of the last days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from service.ingest.source import Cursor


@dataclass(frozen=True, slots=True)
class Known:
    """A study as it was read: a digest of what C-FIND said of it, its series, whether two reads agreed, and when it
    was read (minutes since 1970)."""

    digest: str
    series: tuple[str, ...]
    is_settled: bool
    minute: int

    def as_json(self) -> list[Any]:
        """As it stands in the cursor."""
        return [self.digest, list(self.series), self.is_settled, self.minute]


Studies = dict[str, Known]


@dataclass(slots=True)
class Progress:
    """`through` is the last day that was read to its end; `days` are the studies of the days that are read again."""

    through: date | None = None
    days: dict[date, Studies] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: Cursor | None) -> Progress:
        """From the cursor; an unknown form starts anew, for repetition is free."""
        try:
            if cursor is None or cursor["form"] != 1:
                return cls()
            days = {date.fromisoformat(day): _studies(found) for day, found in cursor["days"].items()}
            through = cursor["through"]
            return cls(date.fromisoformat(through) if through else None, days)
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def first(self, since: date, days_back: int) -> date:
        """The first day to read: as many before the last one as corrections are expected for."""
        return since if self.through is None else max(since, self.through - timedelta(days_back))

    def with_day(self, day: date, studies: Studies) -> Cursor:
        """The cursor in the middle of a day."""
        return self._cursor(self.days | {day: studies})

    def end_day(self, day: date, studies: Studies, today: date, kept_from: date) -> Cursor:
        """The cursor at the end of a day. Days before `kept_from` are not read again, and forgotten."""
        self.days = {one: found for one, found in (self.days | {day: studies}).items() if one >= kept_from}
        self.through = max(filter(None, (self.through, min(day, today))))
        return self._cursor(self.days)

    def _cursor(self, days: Mapping[date, Studies]) -> Cursor:
        return {
            "form": 1,
            "through": self.through.isoformat() if self.through else "",
            "days": {
                day.isoformat(): {uid: one.as_json() for uid, one in found.items()}
                for day, found in sorted(days.items())
                if found
            },
        }


def _studies(found: Mapping[str, Any]) -> Studies:
    return {uid: Known(str(one[0]), tuple(one[1]), bool(one[2]), int(one[3])) for uid, one in found.items()}
