"""One question a rule answers: one ordered item, one candidate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.domain.catalogue import Item
from service.domain.decision import Reason, Severity
from service.domain.network import Institution
from service.domain.order import Encounter
from service.domain.report import ImagingExam, ItemResult, ReportHead
from service.domain.times import When
from service.matching.coverage import Coverage
from service.matching.policy import EffectiveWindow, Policy, Standing


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a rule may look at. Either `result` or `exam` (with `coverage`) is there."""

    policy: Policy
    item: Item
    requester: str
    at: datetime
    encounter: Encounter
    head: ReportHead
    performed: When | None
    identity: str
    window: EffectiveWindow
    standing: Standing
    result: ItemResult | None = None
    exam: ImagingExam | None = None
    coverage: Coverage | None = None

    @property
    def own(self) -> bool:
        """Whether the ordering institution performed it itself."""
        return self.head.performer == self.requester

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
        counted = self.counted_from
        if counted is None or not counted.has_day or self.window.duration.is_zero:
            return False
        return counted.start >= self.window.duration.before(self.at)

    @property
    def counted_from(self) -> When | None:
        """What the window counts from: the performance, or the issue where the network's policy says so. A report
        without issue time counts from its performance, which is earlier."""
        if self.policy.network.policy.window_from == "issued" and self.head.issued is not None:
            return self.head.issued
        return self.performed

    def because(self, code: str, severity: Severity, source: str, **facts: str) -> Reason:
        """A reason given by the rule of that code."""
        return Reason(code, severity, f"{code}/1", source, self.item.id, tuple(facts.items()))
