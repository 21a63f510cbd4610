"""One question a rule answers: one ordered item, one candidate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from service.domain.catalogue import Item
from service.domain.decision import Reason, Severity
from service.domain.network import Institution
from service.domain.order import Encounter, MatchRequest
from service.domain.report import HeldBy, ImagingExam, ItemResult, ReportHead
from service.domain.times import Precision, When
from service.matching.coverage import Coverage
from service.matching.policy import EffectiveWindow, Policy, Standing


@dataclass(frozen=True, slots=True)
class Asked:
    """An ordered item at the time it was ordered.

    `stands_since` is the moment from which a result can still stand (None: never, P0D), `listed_since` how far back
    candidates are shown, `window_hours` the window's length.
    """

    item: Item
    window: EffectiveWindow
    stands_since: datetime | None
    listed_since: datetime
    window_hours: float


def ask(item: Item, request: MatchRequest, policy: Policy) -> Asked:
    """The item as this request asks for it. Candidates are listed as far back as the look-back or the window,
    whichever is longer; a window of months counts the months of the network's calendar."""
    key = (item.id, request.requester, request.ordered_at)
    found = policy.remembered.get(key)
    if found is None:
        if len(policy.remembered) >= _MOST_REMEMBERED:
            policy.remembered.clear()
        found = policy.remembered[key] = _ask(item, request, policy)
    assert isinstance(found, Asked)
    return found


_MOST_REMEMBERED = 10_000
_TOLD = {
    Precision.MOMENT: "2026-11-22 10:00",
    Precision.DAY: "2026-11-22",
    Precision.MONTH: "2026-11",
    Precision.YEAR: "2026",
}


def _ask(item: Item, request: MatchRequest, policy: Policy) -> Asked:
    window = policy.window_of(item, request.requester)
    at = policy.network.local_time(request.ordered_at)
    opens = window.duration.before(at).astimezone(UTC)
    return Asked(
        item,
        window,
        None if window.duration.is_zero else opens,
        min(opens, policy.network.policy.lookback.before(at).astimezone(UTC)),
        window.duration.hours(at),
    )


@dataclass(slots=True, eq=False)  # one is made for every candidate: frozen, it would take seven times as long to make
class Case:
    """Everything a rule may look at, and none may change. Either `result` or `exam` (with `coverage` and `held_by`) is
    there. `own`: the ordering institution performed it itself; `counted_from`: what the window counts from; `doubted`:
    the same report gives another value for the same item and time."""

    policy: Policy
    asked: Asked
    requester: str
    at: datetime
    encounter: Encounter
    head: ReportHead
    performed: When | None
    identity: str
    standing: Standing
    own: bool
    counted_from: When | None
    result: ItemResult | None = None
    exam: ImagingExam | None = None
    coverage: Coverage | None = None
    doubted: bool = False
    held_by: tuple[HeldBy, ...] = ()

    @property
    def item(self) -> Item:
        """The ordered item."""
        return self.asked.item

    @property
    def issuer(self) -> Institution | None:
        """The performing institution, None when it is not in the network."""
        return self.policy.institution(self.head.performer)

    @property
    def asking(self) -> Institution | None:
        """The ordering institution."""
        return self.policy.institution(self.requester)

    @property
    def inside_window(self) -> bool:
        """Whether the result can still stand: exactly the window is inside, a date without a day never is."""
        counted, since = self.counted_from, self.asked.stands_since
        return counted is not None and counted.has_day and since is not None and counted.start >= since

    def tell(self, when: When | None) -> str:
        """A time as a person reads it, in the network's zone and no more exact than it is known."""
        if when is None:
            return ""
        told = self.policy.network.local_time(when.start).isoformat(" ", "minutes")
        return told[: len(_TOLD[when.precision])]

    def because(self, code: str, severity: Severity, source: str, **facts: str) -> Reason:
        """A reason given by the rule of that code."""
        return Reason(code, severity, f"{code}/1", source, self.item.id, tuple(facts.items()))


def make_case(
    asked: Asked,
    head: ReportHead,
    performed: When | None,
    identity: str,
    request: MatchRequest,
    policy: Policy,
    *,
    result: ItemResult | None = None,
    exam: ImagingExam | None = None,
    coverage: Coverage | None = None,
    doubted: bool = False,
    held_by: tuple[HeldBy, ...] = (),
) -> Case:
    """The case of one candidate. The window counts from the performance, or from the issue where the network's
    policy says so; a report without issue time counts from its performance, which is earlier."""
    from_issue = policy.network.policy.window_from == "issued" and head.issued is not None
    return Case(
        policy, asked, request.requester, request.ordered_at, request.encounter, head, performed, identity,
        policy.standing(head.performer, asked.item, request.requester, performed),
        head.performer == request.requester, head.issued if from_issue else performed,
        result, exam, coverage, doubted, held_by,
    )  # fmt: skip
