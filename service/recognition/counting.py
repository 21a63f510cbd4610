"""Counts of prompts and of what came of them.

A prompt is an order answered with reusable, review or partial for which something was offered; it is recognised,
repeated or unanswered, so that the three add up to the prompts in every group. Rate = items recognised / items offered
and answered; a repeat given only excluded reasons is left out of it (contract, section 4).

An order counts once, when it was first answered. A decision that rested on records of different people is left out with
all that was recorded on it; one that was superseded without being wrong counts where a choice was recorded on it. Else
the decision in its place counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from service.recognition.prompts import Offer
from service.recognition.reasons import leaves_the_rate

RATE_FORMULA = (
    "itemsRecognised / itemsAnswered: items recognised of those offered as reusable or review and answered; "
    "prompts repeated only for images-not-available, serial-monitoring or patient-request are left out"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt with its answer. `action` is None while there is none; `items` are those recognised."""

    action: str | None
    items: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Counts:
    """The counts of one group."""

    prompts: int = 0
    recognised: int = 0
    repeated: int = 0
    unanswered: int = 0
    items_offered: int = 0
    items_answered: int = 0
    items_recognised: int = 0
    amount: Decimal = Decimal(0)
    dose_msv: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, offers: list[Offer], answer: Answered) -> None:
        """Counts one prompt by those of its offers that belong to this group.

        An answered prompt of which no item of the group was recognised counts as repeated in the group.
        """
        self.prompts += 1
        self.items_offered += len(offers)
        if answer.action is None:
            self.unanswered += 1
            return
        taken = [one for one in offers if one.item in answer.items]
        if not taken:
            self.repeated += 1
            self.reasons.update(answer.reasons)
        else:
            self.recognised += 1
        if taken or not leaves_the_rate(answer.reasons):
            self.items_answered += len(offers)
        self.items_recognised += len(taken)
        self.amount += sum((Decimal(one.amount) for one in taken), Decimal(0))
        self.dose_msv += sum(one.dose_msv for one in taken)

    def shown(self) -> dict[str, Any]:
        """The counts as JSON. `rate` is null where nothing was answered."""
        return {
            "prompts": self.prompts,
            "recognised": self.recognised,
            "repeated": self.repeated,
            "unanswered": self.unanswered,
            "reasons": dict(sorted(self.reasons.items())),
            "itemsOffered": self.items_offered,
            "itemsAnswered": self.items_answered,
            "itemsRecognised": self.items_recognised,
            "rate": round(self.items_recognised / self.items_answered, 4) if self.items_answered else None,
            "amount": float(round(self.amount, 2)),
            "doseMSv": round(self.dose_msv, 4),
        }
