"""What became of everything that was read: nothing ends uncounted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

OUTCOMES = ("new", "updated", "unchanged", "ignored", "rejected")


@dataclass(slots=True)
class LoadCounts:
    """Outcomes by resource type, reasons of what was ignored or rejected, notes of what was read only in part.

    `unchanged` includes late older versions, which `reasons` name `older-version`."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    reports: Counter[str] = field(default_factory=Counter)
    files: int = 0
    documents: int = 0
    studies: int = 0  # those whose DICOM series were looked at again
    study_uids: set[str] = field(default_factory=set)  # those that DICOM documents told of, whether new or not

    def add(self, kind: str, outcome: str, reason: str = "") -> None:
        """Counts one resource of type `kind` ("-" when it is not known)."""
        self.outcomes[kind, outcome] += 1
        if reason:
            self.reasons[kind, outcome, reason] += 1

    def total(self, outcome: str) -> int:
        """How many ended as `outcome`."""
        return sum(n for (_, what), n in self.outcomes.items() if what == outcome)

    def merge(self, other: LoadCounts) -> None:
        """Adds another's counts."""
        self.outcomes += other.outcomes
        self.reasons += other.reasons
        self.notes += other.notes
        self.reports += other.reports
        self.files += other.files
        self.documents += other.documents
        self.studies += other.studies
        self.study_uids |= other.study_uids
