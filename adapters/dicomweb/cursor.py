"""Where a DICOMweb source is in its work: the days that were read, and how each recent study looked.

DICOMweb has no "changed since" (PS3.18 10.6): what changed shows in the counts of a day that is listed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from service.ingest.source import Cursor

SEEN, TAKEN, CLOSED, FAILED = 0, 1, 2, 3
"""A study was seen and may still grow; was taken; was taken once more on the last day it is looked at; could not be had
in one run, while the archive answered other questions."""


def look_of(facts: Collection[str]) -> str:
    """How a study looks: a short hash of what the lists say of it."""
    return hashlib.blake2b("\n".join(sorted(facts)).encode(), digest_size=9).hexdigest()


@dataclass(slots=True)
class Progress:
    """`through`: all days up to it were read. `studies` of each recent day, by a short hash of the study's UID: how it
    looked, and what was done. `older`: how the days before them looked, one of which is listed again in each run;
    `swept` is the last that was. `undated`: when studies without a date were last looked for (ISO 8601)."""

    through: date | None = None
    studies: dict[str, dict[str, tuple[str, int]]] = field(default_factory=dict)
    older: dict[str, str] = field(default_factory=dict)
    swept: str = ""
    undated: str = ""

    @classmethod
    def of(cls, cursor: Cursor | None) -> Progress:
        """The progress a cursor stands for; what cannot be read is read anew from the archive."""
        if cursor is None:
            return cls()
        through = cursor.get("through")
        days = cursor.get("studies") or {}
        return cls(
            date.fromisoformat(through) if through else None,
            {
                day: {key: (str(look), int(state)) for key, (look, state) in found.items()}
                for day, found in days.items()
            },
            dict(cursor.get("older") or {}),
            cursor.get("swept") or "",
            cursor.get("undated") or "",
        )

    def to_cursor(self) -> Mapping[str, Any]:
        """The cursor of this progress."""
        days = {day: {key: list(one) for key, one in found.items()} for day, found in self.studies.items()}
        through = self.through.isoformat() if self.through else None
        told = {"through": through, "studies": days, "older": dict(self.older), "swept": self.swept}
        return {**told, "undated": self.undated} if self.undated else told

    def known(self, day: date, study_uid: str) -> tuple[str, int]:
        """How the study looked and what was done with it; ("", SEEN) for a new one."""
        return self.studies.get(day.isoformat(), {}).get(_short(study_uid), ("", SEEN))

    def note(self, day: date, study_uid: str, look: str, state: int) -> None:
        """Remembers how a study looks and what was done with it."""
        self.studies.setdefault(day.isoformat(), {})[_short(study_uid)] = (look, state)

    def keep_only(self, day: date, study_uids: Collection[str]) -> None:
        """Forgets studies of the day that are no more."""
        names = {_short(one) for one in study_uids}
        found = self.studies.get(day.isoformat(), {})
        self.studies[day.isoformat()] = {key: one for key, one in found.items() if key in names}

    def leave(self, day: date) -> None:
        """Forgets what was seen of a day that is none of those that have their turn."""
        self.studies.pop(day.isoformat(), None)
        self.older.pop(day.isoformat(), None)

    def forget_before(self, recent: date, older: date) -> None:
        """Forgets the days that are not listed in every run any more, and those that are never listed again."""
        self.studies = {key: found for key, found in self.studies.items() if key >= recent.isoformat()}
        self.older = {key: look for key, look in self.older.items() if key >= older.isoformat()}

    def next_older(self) -> date | None:
        """The older day whose turn it is: the one before that which had it last, after the oldest the latest."""
        days = sorted(self.older, reverse=True)
        self.swept = next((one for one in days if one < self.swept), days[0]) if days else ""
        return date.fromisoformat(self.swept) if self.swept else None


def _short(study_uid: str) -> str:
    return hashlib.blake2b(study_uid.encode(), digest_size=9).hexdigest()
