"""The network: who takes part, what each one's quality evidence covers, and the policy between them.

Values of the network file (contract, section 2). Questions asked of it while matching are answered here, from
indexes made once when the network is loaded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from service.domain.codes import region_covers
from service.domain.times import Duration


@dataclass(frozen=True, slots=True)
class Region:
    """A GB/T 2260 region with the name that its mark shows."""

    code: str
    name: str
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Several regions that recognise each other (京津冀)."""

    id: str
    name: str
    regions: tuple[str, ...] = ()
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Alliance:
    """医联体 / 医共体."""

    id: str
    name: str
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Institution:
    """A hospital or laboratory that performs tests or orders them."""

    id: str
    name: str
    region: str
    uscc: str | None = None
    level: int | None = None
    grade: str | None = None
    alliances: tuple[str, ...] = ()


class Breadth(IntEnum):
    """How wide a scope is, widest first (contract, section 2: which certificate gives the mark)."""

    NATIONAL = 0
    CLUSTER = 1
    PROVINCE = 2
    CITY = 3
    COUNTY = 4
    ALLIANCE = 5
    INSTITUTION = 6


@dataclass(frozen=True, slots=True)
class Scope:
    """`national`, `region:CODE`, `cluster:ID`, `alliance:ID` or `institution:ID`."""

    kind: str
    ref: str = ""

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Reads a scope as the network file writes it; ValueError when it is none."""
        kind, colon, ref = text.partition(":")
        if text == "national" or (kind in {"region", "cluster", "alliance", "institution"} and colon and ref):
            return cls(kind, ref)
        raise ValueError(f"not a scope: {text!r}")

    @property
    def breadth(self) -> Breadth:
        """Where this scope stands between national and one institution."""
        if self.kind == "region":
            if self.ref.endswith("0000"):
                return Breadth.PROVINCE
            return Breadth.CITY if self.ref.endswith("00") else Breadth.COUNTY
        return {
            "national": Breadth.NATIONAL,
            "cluster": Breadth.CLUSTER,
            "alliance": Breadth.ALLIANCE,
            "institution": Breadth.INSTITUTION,
        }[self.kind]

    def __str__(self) -> str:
        return f"{self.kind}:{self.ref}" if self.ref else self.kind


@dataclass(frozen=True, slots=True)
class Certificate:
    """Quality evidence: this institution, these items, this scope, this time (both days inclusive)."""

    institution: str
    items: tuple[str, ...]
    scope: Scope
    valid_from: date
    valid_to: date
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Direction:
    """Whether results of one level are recognised by another, where both lie in `scope` (None: everywhere)."""

    issuer_level: int
    requester_level: int
    allowed: bool
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """The platform an institution measures items on."""

    institution: str
    items: tuple[str, ...]
    method: str


@dataclass(frozen=True, slots=True)
class Price:
    """What a repeat of the item or panel costs at the institution, in the network's currency (CNY)."""

    institution: str
    item: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class WindowOverride:
    """A window that replaces the catalogue's, for requesters in `scope` (None: all)."""

    items: tuple[str, ...]
    window: Duration
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a window counts from, and how far back results are shown for reference."""

    window_from: str = "performed"
    lookback: Duration = field(default_factory=lambda: Duration.parse("P365D"))


@dataclass(frozen=True)
class Network:
    """Everything the network file says. Item lists are as written: panels and `*` are not expanded here."""

    name: str
    timezone: str
    regions: tuple[Region, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    alliances: tuple[Alliance, ...] = ()
    institutions: tuple[Institution, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    directions: tuple[Direction, ...] = ()
    methods: tuple[Method, ...] = ()
    prices: tuple[Price, ...] = ()
    windows: tuple[WindowOverride, ...] = ()
    policy: Policy = field(default_factory=Policy)
    repeat_reasons: tuple[tuple[str, str], ...] = ()  # a region's own code -> ours

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of times that carry no offset, of day-only dates and of certificate days."""
        return ZoneInfo(self.timezone)

    @cached_property
    def institution_by_id(self) -> dict[str, Institution]:
        """Institutions by their id."""
        return {one.id: one for one in self.institutions}

    @cached_property
    def institution_by_uscc(self) -> dict[str, Institution]:
        """Institutions by their unified social credit code."""
        return {one.uscc: one for one in self.institutions if one.uscc}

    @cached_property
    def institution_by_name(self) -> dict[str, Institution]:
        """Institutions by their name, where no other has the same."""
        names = Counter(one.name for one in self.institutions)
        return {one.name: one for one in self.institutions if names[one.name] == 1}

    def covers(self, scope: Scope | None, institution: Institution | None) -> bool:
        """Whether `scope` covers the institution; an unknown institution is covered by no scope but None."""
        if scope is None:
            return True
        if institution is None:
            return False
        if scope.kind == "national":
            return True
        if scope.kind == "region":
            return region_covers(scope.ref, institution.region)
        if scope.kind == "cluster":
            return any(region_covers(code, institution.region) for code in self._cluster_regions.get(scope.ref, ()))
        if scope.kind == "alliance":
            return scope.ref in institution.alliances
        return scope.ref == institution.id

    @cached_property
    def _cluster_regions(self) -> dict[str, tuple[str, ...]]:
        return {one.id: one.regions for one in self.clusters}

    def mark(self, scope: Scope) -> str:
        """The mark of a scope: `全国HR`, else the region's, cluster's or alliance's own mark or its name with `HR`."""
        if scope.kind == "national":
            return "全国HR"
        return self._marks.get(str(scope)) or f"{scope.ref}HR"

    @cached_property
    def _marks(self) -> dict[str, str]:
        named: list[tuple[str, Region | Cluster | Alliance]] = [
            *((f"region:{one.code}", one) for one in self.regions),
            *((f"cluster:{one.id}", one) for one in self.clusters),
            *((f"alliance:{one.id}", one) for one in self.alliances),
        ]
        return {key: one.mark or f"{one.name}HR" for key, one in named}

    @cached_property
    def _certificates(self) -> dict[str, tuple[tuple[datetime, datetime, Certificate], ...]]:
        """By institution, each certificate with the moments between which it is valid: its days count in the
        network's zone, and the last one is inclusive."""
        found: defaultdict[str, list[tuple[datetime, datetime, Certificate]]] = defaultdict(list)
        for one in self.certificates:
            found[one.institution].append((self._midnight(one.valid_from), self._midnight(one.valid_to, 1), one))
        return {key: tuple(value) for key, value in found.items()}

    def _midnight(self, day: date, plus: int = 0) -> datetime:
        """When the day (or a following one) begins in the network's zone."""
        if day == date.max:
            return datetime.max.replace(tzinfo=UTC)
        return datetime.combine(day + timedelta(days=plus), time(), self.zone).astimezone(UTC)

    def certificates_of(self, institution: str, ids: Iterable[str]) -> list[tuple[datetime, datetime, Certificate]]:
        """The institution's certificates that name one of `ids` or `*`, each with the moments between which it is
        valid (the second one exclusive)."""
        wanted = {"*", *ids}
        return [one for one in self._certificates.get(institution, ()) if not wanted.isdisjoint(one[2].items)]

    @cached_property
    def _methods(self) -> dict[tuple[str, str], str]:
        return {(one.institution, item): one.method for one in self.methods for item in one.items}

    def method_of(self, institution: str, ids: Iterable[str]) -> str | None:
        """The platform the institution measures the first of `ids` on that the network file names."""
        return next((m for one in ids if (m := self._methods.get((institution, one))) is not None), None)

    @cached_property
    def _prices(self) -> dict[tuple[str, str], Decimal]:
        return {(one.institution, one.item): one.amount for one in self.prices}

    def price_of(self, institution: str, item: str) -> Decimal | None:
        """What a repeat of the item or panel costs at the institution, where the network file says it."""
        return self._prices.get((institution, item))

    def local_time(self, at: datetime) -> datetime:
        """`at` in the network's zone; the first and last hours of the calendar (9999-12-31 as "never") stay in UTC."""
        try:
            return at.astimezone(self.zone)
        except OverflowError:
            return at
