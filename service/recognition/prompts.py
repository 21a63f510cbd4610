"""What was offered for an order: the row its decision left behind."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, select

from service.domain.errors import NotFound
from service.recognition.ids import decision_range, derived_id
from service.registry.columns import storable
from service.registry.tables import prompt

PROMPTING = ("reusable", "review", "partial")
"""The outcomes that prompt a clinician: something can be reused."""


class Offer(msgspec.Struct, frozen=True, rename={"dose_msv": "doseMSv", "report_id": "reportId"}):
    """One item offered for reuse. `amount` in CNY (a decimal number's text) and `dose_msv` are what its reuse saves."""

    item: str
    issuer: str = ""
    mark: str | None = None
    amount: str = "0"
    dose_msv: float = 0.0
    report: str | None = None
    report_id: int | None = None


_OFFERS = msgspec.json.Decoder(list[Offer])


@dataclass(frozen=True, slots=True)
class Prompt:
    """One answered order."""

    decision_id: str
    order_id: str
    institution: str
    outcome: str
    offers: tuple[Offer, ...]


def read_offers(
    offered: str, outcome: str, panel_amount: str | None = None, recognised: frozenset[str] = frozenset()
) -> list[Offer]:
    """The offers of a stored prompt. Where the whole panel was recognised and has a price of its own, that price is
    shared out over the items, so that sums over items and over orders agree."""
    offers = _OFFERS.decode(offered)
    if panel_amount is None or outcome == "partial" or not recognised.issuperset(one.item for one in offers):
        return offers
    whole, total = Decimal(panel_amount), sum(Decimal(one.amount) for one in offers)
    shares = [whole * Decimal(one.amount) / total if total else whole / len(offers) for one in offers]
    return [msgspec.structs.replace(one, amount=str(share)) for one, share in zip(offers, shares, strict=True)]


_SELECT = select(prompt.c.decision_id, prompt.c.order_id, prompt.c.institution, prompt.c.outcome, prompt.c.offered)
_ONE = _SELECT.where(and_(prompt.c.decision_id == bindparam("wanted"), prompt.c.order_id == bindparam("order")))
_RANGE = _SELECT.where(prompt.c.decision_id.between(bindparam("least"), bindparam("most")))


def get_prompt(conn: Connection, decision_id: str, order_id: str, institution: str) -> Prompt:
    """What was offered; NotFound when there is no such order in a decision of this institution."""
    keys = {"wanted": decision_id, "order": order_id}
    row = conn.execute(_ONE, keys).first() if all(storable(one) == one for one in keys.values()) else None
    if row is None or row.institution != institution:
        raise NotFound("there is no such order in a decision of this institution")
    return _prompt(row)


def find_by_derived(conn: Connection, derived: str, purpose: str, institution: str) -> Prompt | None:
    """The order of the institution that `derived_id` made this id from, if any."""
    try:
        least, most = decision_range(derived)
    except ValueError:
        return None
    for row in conn.execute(_RANGE, {"least": least, "most": most}):
        if row.institution == institution and derived_id(row.decision_id, row.order_id, purpose) == derived.lower():
            return _prompt(row)
    return None


def _prompt(row: Any) -> Prompt:
    offers = tuple(read_offers(row.offered, row.outcome))
    return Prompt(row.decision_id, row.order_id, row.institution, row.outcome, offers)
