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
_ONCE = "~"


@dataclass(slots=True)
class Progress:
    """`through` is the last day that was read to its end; `days` are the studies of the days that every run reads
    again. `older`: how the days before them looked, one of which each run asks for; `swept` is the last that was."""

    through: date | None = None
    days: dict[date, Studies] = field(default_factory=dict)
    older: dict[str, str] = field(default_factory=dict)
    swept: str = ""

    @classmethod
    def read(cls, cursor: Cursor | None) -> Progress:
        """From the cursor; an unknown form starts anew, for repetition is free."""
        try:
            if cursor is None or cursor["form"] != 1:
                return cls()
            days = {date.fromisoformat(day): _studies(found) for day, found in cursor["days"].items()}
            through = cursor["through"]
            older, swept = dict(cursor.get("older") or {}), str(cursor.get("swept") or "")
            return cls(date.fromisoformat(through) if through else None, days, older, swept)
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def first(self, since: date, days_back: int) -> date:
        """The first day to read: as many before the last one as corrections are expected for."""
        return since if self.through is None else max(since, self.through - timedelta(days_back))

    def with_day(self, day: date, studies: Studies) -> Cursor:
        """The cursor in the middle of a day."""
        return self._cursor(self.days | {day: studies})

    def next_older(self, first: date, sweep_days: int) -> date | None:
        """The older day whose turn it is, of the `sweep_days` before `first`: the one before that which had it last,
        after the oldest the latest."""
        oldest = (first - timedelta(sweep_days)).isoformat()
        self.older = {day: look for day, look in self.older.items() if day >= oldest}
        days = sorted((day for day in self.older if day < first.isoformat()), reverse=True)
        self.swept = next((one for one in days if one < self.swept), days[0]) if days else ""
        return date.fromisoformat(self.swept) if self.swept else None

    def end_day(self, day: date, studies: Studies, today: date, kept_from: date, look: str) -> Cursor:
        """The cursor at the end of a day that looks so. Of days before `kept_from` no more than that is kept. One that
        looks other than before is read once more: a listing is believed when it says the same twice."""
        if day <= kept_from:
            known = self.older.get(day.isoformat(), look).removeprefix(_ONCE)
            self.older[day.isoformat()] = look if known == look else _ONCE + look
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
            "older": dict(self.older),
            "swept": self.swept,
        }


def _studies(found: Mapping[str, Any]) -> Studies:
    return {uid: Known(str(one[0]), tuple(one[1]), bool(one[2]), int(one[3])) for uid, one in found.items()}
