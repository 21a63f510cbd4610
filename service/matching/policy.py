"""The policy a decision is made under: one network and one catalogue, and the questions asked of both together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from service.domain.catalogue import Catalogue, Item
from service.domain.network import Breadth, Institution, Network, WindowOverride
from service.domain.times import Duration, When

RULES_VERSION = "1"
"""Raised whenever a rule's meaning changes: part of every policy version."""


class EffectiveWindow(NamedTuple):
    """How long a result can stand for one requester, and which row says so."""

    duration: Duration
    source: str


class Standing(NamedTuple):
    """What an issuer's certificates say of an item for a requester at the time of the test."""

    certified: bool
    in_scope: bool
    mark: str | None


@dataclass(frozen=True)
class Policy:
    """Network and catalogue of one version. Frozen, but it remembers answers: build one per version and keep it."""

    network: Network
    catalogue: Catalogue
    network_version: str = "0"

    @cached_property
    def version(self) -> str:
        """Names network, catalogue and rules, so that a decision can be replayed under exactly these."""
        return f"n{self.network_version}.c{self.catalogue.version}.r{RULES_VERSION}"

    def institution(self, institution_id: str) -> Institution | None:
        """The institution, None when it is not in the network."""
        return self.network.institution_by_id.get(institution_id)

    @cached_property
    def remembered(self) -> dict[object, object]:
        """What was worked out under this policy and may be asked for again soon; losing it costs only time."""
        return {}

    @cached_property
    def _windows(self) -> dict[tuple[str, str], EffectiveWindow]:
        return {}

    @cached_property
    def _overrides(self) -> dict[str, list[WindowOverride]]:
        found: dict[str, list[WindowOverride]] = {}
        for row in self.network.windows:
            for name in row.items:
                found.setdefault(name, []).append(row)
        return found

    def window_of(self, item: Item, requester: str) -> EffectiveWindow:
        """The item's window for the requester: the narrowest `for` that covers it replaces the catalogue's; an
        institution's own row may only tighten (contract, section 2)."""
        key = (item.id, requester)
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = self._find_window(item, requester)
        return found

    def _find_window(self, item: Item, requester: str) -> EffectiveWindow:
        institution = self.institution(requester)
        best = EffectiveWindow(item.window, f"catalogue {item.id}: window {item.window.text}")
        own: list[WindowOverride] = []
        ranked: list[tuple[int, bool, float, WindowOverride]] = []
        for name in self.catalogue.names_of(item.id):
            for row in self._overrides.get(name, ()):
                if not self.network.covers(row.scope, institution):
                    continue
                if row.scope is not None and row.scope.kind == "institution":
                    own.append(row)
                else:
                    breadth = Breadth.NATIONAL if row.scope is None else row.scope.breadth
                    ranked.append((-breadth, name != item.id, _length(row.window), row))
        if ranked:
            row = min(ranked, key=lambda one: one[:3])[3]
            best = EffectiveWindow(row.window, f"network window for {row.scope or 'all'}")
        for row in own:
            if _length(row.window) < _length(best.duration):
                best = EffectiveWindow(row.window, f"network window for {row.scope}")
        return best

    def standing(self, issuer: str, item: Item, requester: str, performed: When | None) -> Standing:
        """What certificates the issuer held for the item when the test was performed, and the widest one's mark that
        covers the requester (国卫医发〔2022〕6号, ~13-14: the range follows the evaluation passed)."""
        key = (issuer, item.id, requester)
        rows = self._certified.get(key)
        if rows is None:
            if len(self._certified) >= _MOST_REMEMBERED:
                self._certified.clear()
            rows = self._certified[key] = self._find_certified(issuer, item, requester)
        certified = False
        for row in rows:
            if row.certificate_covers(performed):
                if row.mark is not None:
                    return Standing(True, True, row.mark)
                certified = True
        return Standing(certified, False, None)

    @cached_property
    def _certified(self) -> dict[tuple[str, str, str], list[_Certified]]:
        return {}

    def _find_certified(self, issuer: str, item: Item, requester: str) -> list[_Certified]:
        asking = self.institution(requester)
        found = [
            (
                _Certified(
                    begins, ends, self.network.mark(row.scope) if self.network.covers(row.scope, asking) else None
                ),
                (row.scope.breadth, str(row.scope)),
            )
            for begins, ends, row in self.network.certificates_of(issuer, self.catalogue.names_of(item.id))
        ]
        return [one for one, _ in sorted(found, key=lambda pair: pair[1])]


class _Certified(NamedTuple):
    """A certificate as one requester sees it: valid from `begins` until before `ends`, its mark where it covers."""

    begins: datetime
    ends: datetime
    mark: str | None

    def certificate_covers(self, performed: When | None) -> bool:
        """Whether it was valid when performed. Of a date without a day every possible day must be covered."""
        if performed is None:
            return False
        last = performed.end if performed.end == performed.start else performed.end - _INSTANT
        return self.begins <= performed.start and last < self.ends


_INSTANT = timedelta(microseconds=1)
_MOST_REMEMBERED = 100_000


def _length(window: Duration) -> float:
    return window.months * 30.44 * 86400 + window.span.total_seconds()
