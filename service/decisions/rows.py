"""A decision as it is stored: its row, and one prompt for each order it answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from service.decisions.codec import Given, encode_given
from service.decisions.render import offers_study, render_decision
from service.domain.decision import Decision, Evidence, OrderDecision
from service.domain.order import MatchRequest
from service.matching.evaluate import evaluate
from service.matching.policy import Policy
from service.registry.reach import STANDING
from service.security.chance import random_bytes
from service.security.keys import KeyRing


def new_decision_id(at: datetime) -> str:
    """A UUID version 7 (RFC 9562): time first, so that rows written together lie together."""
    stamp = int(at.timestamp() * 1000)
    chance = int.from_bytes(random_bytes(10), "big") >> 6
    value = (stamp << 80) | (7 << 76) | (chance >> 62 << 64) | (2 << 62) | (chance & (1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class Made:
    """A decision, its answer as JSON bytes, and its rows: of `decision`, `prompt` and `image_offer`."""

    decided: Decision
    answer: bytes
    row: dict[str, Any]
    prompts: list[dict[str, Any]]
    offers: list[dict[str, Any]]


def make_decision(
    request: MatchRequest,
    evidence: Evidence,
    policy: Policy,
    keys: KeyRing,
    *,
    now: datetime,
    public_url: str,
    supersedes: str | None = None,
) -> Made:
    """Evaluates, renders and seals; pure but for the id and the nonces it draws. Stores nothing."""
    decided = evaluate(request, evidence, policy)
    decision_id = new_decision_id(now)
    answer = msgspec.json.encode(
        render_decision(
            decided, policy, decision_id=decision_id, decided_at=now,
            ordered_at=request.ordered_at, public_url=public_url,
        )
    )  # fmt: skip
    given = encode_given(Given(request, evidence, policy.network_version, policy.catalogue.version))
    row = {
        "id": decision_id,
        "institution": request.requester,
        "decided_at": int(now.timestamp() * 1_000_000),
        "match": decided.match.value,
        "policy_version": policy.version,
        "state": STANDING,
        "given": keys.seal(given, f"decision|given|{decision_id}"),
        "answer": keys.seal(answer, f"decision|answer|{decision_id}"),
        "supersedes": supersedes,
    }
    prompts = [_prompt_row(one, row, policy) for one in decided.orders]
    return Made(decided, answer, row, prompts, _offer_rows(decided, row))


def disclosed(decided: Decision) -> set[int]:
    """The reports whose content a decision shows."""
    return {candidate.head.id for order in decided.orders for candidate in order.candidates if candidate.disclosed}


def _prompt_row(one: OrderDecision, row: dict[str, Any], policy: Policy) -> dict[str, Any]:
    item = policy.catalogue.items.get(one.item or "")
    offered = [
        {
            "item": reuse.item,
            "decision": reuse.decision.value,
            "issuer": reuse.issuer,
            "mark": reuse.mark,
            "amount": str(reuse.amount),
            "doseMSv": reuse.dose_msv,
            "report": one.candidates[reuse.candidate].head.ref if one.candidates[reuse.candidate].disclosed else None,
            "reportId": one.candidates[reuse.candidate].head.id,
        }
        for reuse in one.reuse
    ]
    panel_price = policy.network.price_of(row["institution"], one.item or "")
    return {
        "decision_id": row["id"],
        "order_id": one.id,
        "institution": row["institution"],
        "decided_at": row["decided_at"],
        "item": one.item,
        "kind": item.kind if item else "lab",
        "outcome": one.outcome.value,
        "offered": msgspec.json.encode(offered).decode(),
        "panel_amount": str(panel_price) if panel_price is not None and item is None else None,
    }


def _offer_rows(decided: Decision, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The studies that the decision gives the right to see, with their images where a source holds them."""
    offered = {
        (one.study_uid, one.head.id, one.head.institution)
        for order in decided.orders
        for one in order.candidates
        if one.head.id and offers_study(one)
    }
    return [
        {"decision_id": row["id"], "study_uid": uid, "report_id": report_id, "institution": row["institution"],
         "holder": holder}
        for uid, report_id, holder in sorted(offered)
    ]  # fmt: skip
