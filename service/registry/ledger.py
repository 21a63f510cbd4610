"""Which version of each report is current.

A report is (institution, number). Each root (the resource it is assembled from) may send versions of it; the newest
of those whose root still makes the report is current. So the order in which roots arrive, change their number or
vanish does not matter, save between versions that nothing tells apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from service.ingest.port import IndexedReport
from service.registry.versions import is_older

CURRENT, SUPERSEDED, RETIRED = "current", "superseded", "retired"


@dataclass(slots=True, eq=False)
class Version:
    """A version, stored (`was` is the state it stands with) or arriving (`incoming` is what it is)."""

    number: str
    root: str
    digest: bytes
    version_at: int | None
    rank: int
    record_id: int
    version: int = 0
    state: str = CURRENT
    id: int = 0
    was: str | None = None
    incoming: IndexedReport | None = None
    place: tuple[int, int] | None = None  # document and start of the source's bytes: which of two was sent later

    def is_older(self, than: Version) -> bool:
        """As `versions.is_older`; of two roots that it does not tell apart, the one that was sent earlier. So the order
        in which reports are indexed again does not matter."""
        if is_older(self.version_at, self.rank, than.version_at, than.rank):
            return True
        if self.root == than.root or self.place is None or than.place is None or self.place >= than.place:
            return False
        return not is_older(than.version_at, than.rank, self.version_at, self.rank)


class Ledger:
    """All versions, in their order, of the reports that a batch touches. Changes states, stores nothing."""

    def __init__(self) -> None:
        self._versions: defaultdict[str, list[Version]] = defaultdict(list)
        self._numbers: defaultdict[str, set[str]] = defaultdict(set)  # by root

    def load(self, stored: Version) -> None:
        """Takes up a stored version; those of one number in the order of `version`."""
        self._append(stored, self._versions[stored.number])

    def _append(self, one: Version, versions: list[Version]) -> None:
        one.version = one.version or len(versions) + 1
        versions.append(one)
        self._numbers[one.root].add(one.number)

    def add(self, coming: Version) -> str:
        """Takes up a version that arrives: `new`, `updated`, or `unchanged` (also when it is a late older one)."""
        versions = self._versions[coming.number]
        current = next((one for one in versions if one.state == CURRENT), None)
        if current is not None:
            if current.digest == coming.digest:
                return "unchanged"
            if coming.is_older(current):
                self._keep(coming, versions)
                return "unchanged"
            current.state = SUPERSEDED
        self._append(coming, versions)
        return "updated" if coming.version > 1 else "new"

    def _keep(self, late: Version, versions: list[Version]) -> None:
        """Keeps a late older version, once."""
        for one in versions:
            if one.digest == late.digest:
                one.state = SUPERSEDED
                return
        late.state = SUPERSEDED
        self._append(late, versions)

    def retire(self, root: str, made: Collection[str]) -> int:
        """Retires what `root` made before, save the numbers `made` now: how many reports it was the current one of."""
        lost = 0
        for number in self._numbers[root].difference(made):
            versions = self._versions[number]
            its_own = [one for one in versions if one.root == root and one.state != RETIRED]
            was_current = any(one.state == CURRENT for one in its_own)
            for one in its_own:
                one.state = RETIRED
            if was_current:
                lost += 1
                _promote(versions)
        return lost

    def changes(self) -> list[Version]:
        """The versions that stand otherwise than they are stored."""
        return [one for versions in self._versions.values() for one in versions if one.state != one.was]


def _promote(versions: list[Version]) -> None:
    """Makes the newest version of another root current, where there is one."""
    best: Version | None = None
    for one in versions:
        if one.state == SUPERSEDED and (best is None or not one.is_older(best)):
            best = one
    if best is not None:
        best.state = CURRENT
